//! The main job in a cluster, with the program as its own process: tag, commit, sync, running object.

pub mod fixture;
mod kill;
mod lifecycle;
mod the_loop;
