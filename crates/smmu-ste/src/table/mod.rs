//! Stream tables and CD tables in memory that the SMMU reads, and the updates of their entries carried out.

mod adopt;
mod cd;
mod error;
mod inherit;
mod leaf;
mod root;
mod shape;
mod stream;
mod stream_shape;
mod users;
mod vms;
mod word;
mod write;

pub use adopt::{InheritError, InheritProblem, Inherited, InheritedTable};
pub use cd::{CdTable, SharedUpdate};
pub use error::TableError;
pub use shape::{CdLeaf, CdTableShape};
pub use stream::StreamTable;
pub use stream_shape::StreamTableShape;
pub use users::{CdUser, StreamSet};
pub use vms::VmsTable;
pub use word::{Level1Cd, Level1Stream, level1_words};
pub use write::{Progress, Updated};
