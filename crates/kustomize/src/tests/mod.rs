mod conformance;
mod flux;
mod fuzz;
mod golden;
