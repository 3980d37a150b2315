//! Stream tables and CD tables in memory that the SMMU reads, and the updates of their entries carried out.

mod adopt;
mod cd;
mod error;
mod stream;
mod word;
mod write;

pub use adopt::{InheritError, InheritProblem, Inherited, InheritedTable};
pub use cd::CdTable;
pub use error::TableError;
pub use stream::{StreamTable, StreamTableShape};
pub use word::level1_words;
pub use write::{Progress, Updated};
