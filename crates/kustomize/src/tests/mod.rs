mod conformance;
mod flux;
mod golden;
