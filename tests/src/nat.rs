//! Which networks let a call through: what theory says of every pair of networks, what a call found, and the page that
//! shows both. Used by the program `nat-matrix`, which runs inside `scripts/nat-lab`, and by the tests.

mod cell;
mod grid;
mod kind;
mod plan;
mod side;
mod summary;

pub use cell::{Bytes, Cell, Outcome};
pub use grid::page;
pub use kind::{Kind, Path};
pub use plan::{Mode, Pair, Plan, sites};
pub use side::{End, Side};
pub use summary::summary;
