use crate::{LoadRestrictor, MemoryFiles, Options, Reorder, build};

mod case;
mod conformance;
mod flux;
mod fuzz;
mod golden;
