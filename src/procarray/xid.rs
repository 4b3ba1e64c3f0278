//! Transaction ids (access/transam.h).

use std::fmt;

/// A 32-bit transaction id. Compared modulo 2^32, hence no `Ord`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TransactionId(pub u32);

impl TransactionId {
    /// No transaction (`InvalidTransactionId`).
    pub const INVALID: Self = Self(0);
    /// The first id that a transaction can have (`FirstNormalTransactionId`).
    pub const FIRST_NORMAL: Self = Self(3);

    /// Whether this is any transaction at all (`TransactionIdIsValid`).
    #[inline]
    pub const fn is_valid(self) -> bool {
        self.0 != Self::INVALID.0
    }

    /// Whether this one is logically older, both being normal
    /// (`NormalTransactionIdPrecedes`): right while the two are less than 2^31 apart.
    #[inline]
    pub const fn precedes(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() < 0
    }

    /// The next normal id (`TransactionIdAdvance`), stepping over the special ones.
    #[inline]
    pub const fn advance(self) -> Self {
        let next = self.0.wrapping_add(1);
        if next < Self::FIRST_NORMAL.0 {
            Self::FIRST_NORMAL
        } else {
            Self(next)
        }
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A 64-bit transaction id that never wraps: epoch and [`TransactionId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FullTransactionId(pub u64);

impl FullTransactionId {
    /// The first one after initdb's bootstrap (`FirstNormalFullTransactionId`).
    pub const FIRST_NORMAL: Self = Self(TransactionId::FIRST_NORMAL.0 as u64);

    /// The lower half (`XidFromFullTransactionId`).
    #[inline]
    pub const fn xid(self) -> TransactionId {
        TransactionId(self.0 as u32)
    }

    /// Whether the lower half is a transaction and not a special id.
    pub const fn is_normal(self) -> bool {
        self.xid().0 >= TransactionId::FIRST_NORMAL.0
    }

    /// The next normal one (`FullTransactionIdAdvance`).
    #[inline]
    pub const fn advance(self) -> Self {
        let mut next = Self(self.0 + 1);
        while !next.is_normal() {
            next.0 += 1;
        }
        next
    }

    /// The previous normal one, or the id before the first (`FullTransactionIdRetreat`).
    pub const fn retreat(self) -> Self {
        let mut previous = Self(self.0 - 1);
        while previous.0 > Self::FIRST_NORMAL.0 && !previous.is_normal() {
            previous.0 -= 1;
        }
        previous
    }

    /// The full id of an `xid` that is less than 2^31 away (`FullXidRelativeTo`).
    #[inline]
    pub const fn relative(self, xid: TransactionId) -> Self {
        let distance = xid.0.wrapping_sub(self.xid().0).cast_signed();
        Self(self.0.wrapping_add_signed(distance as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_modular() {
        assert!(TransactionId(5).precedes(TransactionId(6)));
        assert!(TransactionId(u32::MAX).precedes(TransactionId(3)));
        assert!(!TransactionId(3).precedes(TransactionId(u32::MAX)));
        assert!(!TransactionId(7).precedes(TransactionId(7)));
    }

    #[test]
    fn special_ids_are_stepped_over() {
        assert_eq!(TransactionId(u32::MAX).advance(), TransactionId(3));
        let last = FullTransactionId(u64::from(u32::MAX));
        let first = FullTransactionId((1 << 32) + 3);
        assert_eq!(last.advance(), first);
        assert_eq!(first.retreat(), last);
        assert_eq!(
            FullTransactionId::FIRST_NORMAL.retreat(),
            FullTransactionId(2)
        );
        assert_eq!(last.relative(TransactionId(3)), first);
        assert_eq!(first.relative(TransactionId(u32::MAX)), last);
    }
}
