//! Counters that only compare and grow. Two of different kinds never compare: the compiler sees to it.

macro_rules! epoch {
    ($(#[$doc:meta])* $name:ident($int:ty), first $first:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub $int);

        impl $name {
            /// "Unknown" or "not given", as the protocol writes it.
            pub const NONE: Self = Self(-1);
            /// The first one ever given out.
            pub const FIRST: Self = Self($first);

            /// The one after this.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("an epoch does not run out"))
            }
        }
    };
}

epoch! {
    /// One reign of one partition leader, or one term of the metadata quorum; stamped into every batch.
    LeaderEpoch(i32), first 0
}
epoch! {
    /// Grows with every change of a partition's state (leader, ISR, replicas), as the controller counts.
    PartitionEpoch(i32), first 0
}
epoch! {
    /// One registration of one broker: the offset of its registration record in the metadata log.
    BrokerEpoch(i64), first 0
}
epoch! {
    /// One incarnation of one producer id (KIP-98).
    ProducerEpoch(i16), first 0
}
epoch! {
    /// One completed rebalance of a classic group.
    Generation(i32), first 1
}
