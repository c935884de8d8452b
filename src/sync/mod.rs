//! The sync loop: what a path of the repository declares, and what the cluster makes of it.
//!
//! Objects pass through these steps:
//!
//! ```text
//! Object --prepare (P)--> Prepared --Applier::inventory (E)--> Inventory, stored united with the old one
//!                             |
//!                     Applier::apply (E)      by order::Stage: dry-runs, then writes of what differs
//!                             |--> Applied    Kind/namespace/name created; its inventory
//!                     Applier::prune (E)      old inventory without the new one; survivors go back into it
//!                     Applier::wait_ready (E) until health::compute (P) is Current
//! ```

mod applier;
pub mod diff;
pub mod drift;
pub mod expression;
pub mod health;
pub mod ignored;
pub mod inventory;
pub mod known;
pub mod managers;
pub mod normalize;
pub mod object;
pub mod order;
pub mod own_controllers;
pub mod prepare;
pub mod switches;
pub mod unknown_fields;

pub use applier::{
    Action, Applied, Applier, Appliers, ApplyCause, ApplyError, ApplyOptions, CallError, Change, DeleteError,
    DeleteOptions, FIELD_MANAGER, Limits, ObjectFailure, Owned, Phase, Progress, Pruned, Survivor, WaitError,
    WaitOptions,
};
pub use expression::{Expression, ExpressionError};
pub use health::{HealthRuleError, HealthRules};
pub use ignored::{IgnoreRuleError, IgnoreRules};
pub use inventory::{Entry, Inventory};
pub use object::{Object, ObjectId};
pub use prepare::{CommonMetadata, Owner, PrepareError, Prepared, prepare};
