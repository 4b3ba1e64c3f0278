//! Group clear: every xid is cleared by one leader, and nobody is left asleep.
//!
//! The list, its leader and its followers are the model's own source; ProcArrayLock is loom's mutex,
//! and an xid is a cell that loom watches: its owner writes it before it joins and reads it when it is
//! through, and in between a leader clears it.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::programs::{Program, explore_each};

/// One copy of the list, with its members' words.
pub trait Group: Send + Sync + 'static {
    /// An empty list for so many.
    fn new(members: usize) -> Self;
    /// `ProcArrayGroupClearXid`; so many xids were cleared, where it led.
    fn clear_xid(&self, me: u32, lock: &Mutex<()>, clear: impl FnMut(u32)) -> Option<u32>;
    /// A wake-up of `whom` that no leader makes.
    fn post(&self, whom: u32);
    /// Wake-ups of `whom` that nobody has taken.
    fn posts(&self, whom: u32) -> u32;
    /// Nobody is on the list.
    fn is_empty(&self) -> bool;
}

/// Makes a [`Group`] `$name` of one copy of the sources.
macro_rules! group {
    ($name:ident = $copy:ident) => {
        pub mod $name {
            use crate::copies::$copy::group_list::{GroupList, GroupMembers, GroupPart};
            use crate::copies::$copy::locks::Semaphore;
            use loom::sync::Mutex;
            use loom::sync::atomic::AtomicU32;

            struct Member {
                waits: AtomicU32,
                next: AtomicU32,
                semaphore: Semaphore,
            }

            struct Members(Vec<Member>);

            impl GroupMembers for Members {
                fn group_member(&self, number: u32) -> &AtomicU32 {
                    &self.0[number as usize].waits
                }
                fn group_next(&self, number: u32) -> &AtomicU32 {
                    &self.0[number as usize].next
                }
                fn semaphore(&self, number: u32) -> &Semaphore {
                    &self.0[number as usize].semaphore
                }
            }

            pub struct Committers {
                list: GroupList,
                members: Members,
            }

            impl crate::group::Group for Committers {
                fn new(members: usize) -> Self {
                    let member = |_| Member {
                        waits: AtomicU32::new(0),
                        next: AtomicU32::new(0),
                        semaphore: Semaphore::new(),
                    };
                    Self {
                        list: GroupList::new(),
                        members: Members((0..members).map(member).collect()),
                    }
                }
                fn clear_xid(
                    &self,
                    me: u32,
                    lock: &Mutex<()>,
                    clear: impl FnMut(u32),
                ) -> Option<u32> {
                    let acquire = || lock.lock().unwrap();
                    let part = self.list.clear_xid(&self.members, me, acquire, clear, drop);
                    match part {
                        GroupPart::Leader(cleared) => Some(cleared),
                        GroupPart::Follower => None,
                    }
                }
                fn post(&self, whom: u32) {
                    self.members.semaphore(whom).post();
                }
                fn posts(&self, whom: u32) -> u32 {
                    self.members.semaphore(whom).count()
                }
                fn is_empty(&self) -> bool {
                    self.list.len(&self.members) == 0
                }
            }
        }
    };
}
pub(crate) use group;

struct Array<G> {
    group: G,
    proc_array_lock: Mutex<()>,
    xids: Vec<UnsafeCell<u32>>,
}

// An xid is its owner's, or its leader's meanwhile: that is what is being checked.
unsafe impl<G: Sync> Sync for Array<G> {}
unsafe impl<G: Send> Send for Array<G> {}

const XID: u32 = 10;

impl<G: Group> Array<G> {
    fn new(members: usize) -> Arc<Self> {
        Arc::new(Self {
            group: G::new(members),
            proc_array_lock: Mutex::new(()),
            xids: (0..members).map(|_| UnsafeCell::new(0)).collect(),
        })
    }

    /// One transaction. Returns how many xids it cleared for itself and others.
    fn commit(&self, me: u32) -> u32 {
        let mine = &self.xids[me as usize];
        mine.with_mut(|xid| unsafe { *xid = XID });
        let cleared = self.group.clear_xid(me, &self.proc_array_lock, |number| {
            self.xids[number as usize].with_mut(|xid| {
                let xid = unsafe { &mut *xid };
                assert_eq!(*xid, XID, "an xid is cleared twice");
                *xid = 0;
            });
        });
        let xid = mine.with(|xid| unsafe { *xid });
        assert_eq!(xid, 0, "a commit is over before its xid is cleared");
        cleared.unwrap_or(0)
    }

    /// Member `me` commits so many times for each of `rounds`, the first one in the main thread;
    /// each has so many wake-ups of another kind before it.
    fn commit_all(rounds: &[u32], posts: u32) {
        let array = Self::new(rounds.len());
        for me in 0..rounds.len() as u32 {
            (0..posts).for_each(|_| array.group.post(me));
        }
        let commits = |array: &Self, me: u32, rounds: u32| -> u32 {
            (0..rounds).map(|_| array.commit(me)).sum()
        };
        let others: Vec<_> = (1..rounds.len())
            .map(|me| {
                let (array, rounds) = (Arc::clone(&array), rounds[me]);
                thread::spawn(move || commits(&array, me as u32, rounds))
            })
            .collect();
        let mut cleared = commits(&array, 0, rounds[0]);
        for other in others {
            cleared += other.join().unwrap();
        }
        assert_eq!(cleared, rounds.iter().sum::<u32>(), "an xid is left over");
        assert!(array.group.is_empty(), "somebody is left on the list");
        for me in 0..rounds.len() as u32 {
            assert_eq!(array.group.posts(me), posts, "wake-ups are not conserved");
        }
    }
}

fn two<G: Group>() {
    Array::<G>::commit_all(&[1, 1], 0);
}

fn three<G: Group>() {
    Array::<G>::commit_all(&[1, 1, 1], 0);
}

/// A member joins the next list as soon as it may, maybe while its leader still wakes others.
fn three_and_one_again<G: Group>() {
    Array::<G>::commit_all(&[1, 1, 2], 0);
}

fn two_rounds<G: Group>() {
    Array::<G>::commit_all(&[2, 2], 0);
}

/// With wake-ups that were meant for another wait.
fn foreign_posts<G: Group>() {
    Array::<G>::commit_all(&[1, 1], 1);
}

/// All orders of two committers that commit once; of the other programs up to a bound.
pub fn explore<G: Group>() {
    let programs: [Program; 5] = [
        ("two committers", None, two::<G>),
        ("foreign posts", None, foreign_posts::<G>),
        ("three, one again", Some(3), three_and_one_again::<G>),
        ("three committers", Some(3), three::<G>),
        ("two rounds", Some(4), two_rounds::<G>),
    ];
    explore_each(&programs);
}
