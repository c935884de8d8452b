//! The chain without a cluster, on a real registry and a real Git server: tag, selection, commit, push.

mod fixture;

mod checkout;
mod faults;
mod kill;
mod measure;
mod push;
mod push_branch;
mod race;
mod secrets;
mod ssh;
mod targets;
