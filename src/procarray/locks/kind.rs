//! The registry of locks: names for people, types for the compiler.

use super::SharedExclusiveLock;
use crate::names::named_enum;

/// Generic code that wants a concrete lock type: see [`LockKind::visit`].
pub trait LockVisitor {
    /// What it returns.
    type Output;

    /// Called once with the lock chosen at run time as a type, so that every
    /// acquisition in here is monomorphic (no indirect call in a measured loop).
    fn visit<L: SharedExclusiveLock>(self) -> Self::Output;
}

macro_rules! registry {
    ($($(#[$doc:meta])* $kind:ident = $name:literal => $lock:ty,)+) => {
        named_enum! {
            /// A reader-writer lock that can stand where PostgreSQL has an LWLock.
            ///
            /// Parses from, displays as and serialises as its name.
            #[derive(Default)]
            pub enum LockKind: "lock" {
                $($(#[$doc])* $kind = $name,)+
            }
        }

        impl LockKind {
            /// Runs `visitor` with this lock as a type.
            pub fn visit<V: LockVisitor>(self, visitor: V) -> V::Output {
                match self { $(Self::$kind => visitor.visit::<$lock>(),)+ }
            }

            /// Whether forked children can share it (`--mapping forked`).
            pub fn works_between_processes(self) -> bool {
                match self { $(Self::$kind => <$lock>::WORKS_BETWEEN_PROCESSES,)+ }
            }
        }
    };
}

registry! {
    /// PostgreSQL 9.5 to 17's LWLock.
    #[default]
    LwLock17 = "lwlock-17" => super::lwlock::LwLock<super::lwlock::Release17>,
    /// PostgreSQL 18's LWLock.
    LwLock18 = "lwlock-18" => super::lwlock::LwLock<super::lwlock::Release18>,
    /// PostgreSQL 19's LWLock.
    LwLock19 = "lwlock-19" => super::lwlock::LwLock<super::lwlock::Release19>,
    /// parking_lot 0.13's RwLock.
    ParkingLot = "parking_lot" => super::others::ParkingLot013,
    /// parking_lot 0.12's RwLock: the same with eventual fairness.
    ParkingLot012 = "parking_lot_0.12" => super::others::ParkingLot012,
    /// std::sync::RwLock.
    Std = "std" => super::others::StdRwLock,
    /// crossbeam's ShardedLock.
    Sharded = "sharded" => super::others::CrossbeamSharded,
    /// Our own first-come, first-served lock: the releaser hands it to the head of the queue.
    Fair = "fair" => super::fair::FairLock,
    /// Our own read-biased lock (BRAVO) over `fair`.
    Bravo = "bravo" => super::bravo::BravoLock,
}

impl LockKind {
    /// The names of those that forked children can share, for a message.
    pub(crate) fn between_processes() -> String {
        let able = Self::ALL
            .iter()
            .filter(|kind| kind.works_between_processes());
        able.map(|kind| kind.name())
            .collect::<Vec<_>>()
            .join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in LockKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(*kind));
            let json = serde_json::to_string(kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.name()));
            assert_eq!(serde_json::from_str::<LockKind>(&json).unwrap(), *kind);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_valid_ones() {
        let error = "spinlock".parse::<LockKind>().unwrap_err().to_string();
        assert!(error.starts_with("unknown lock 'spinlock': choose from lwlock-17, lwlock-18"));
        assert!(LockKind::ALL.iter().all(|kind| error.contains(kind.name())));
        assert!(serde_json::from_str::<LockKind>("\"spinlock\"").is_err());
    }

    struct TypeName;
    impl LockVisitor for TypeName {
        type Output = &'static str;
        fn visit<L: SharedExclusiveLock>(self) -> &'static str {
            std::any::type_name::<L>()
        }
    }

    #[test]
    fn every_kind_visits_a_type_of_its_own() {
        let types: std::collections::BTreeSet<_> =
            LockKind::ALL.iter().map(|k| k.visit(TypeName)).collect();
        assert_eq!(types.len(), LockKind::ALL.len());
    }
}
