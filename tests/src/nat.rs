//! Which networks let a call through: what theory says of every pair of networks, what a call found, and the page that
//! shows both. Used by the program `nat-matrix`, which runs inside `scripts/nat-lab`, and by the tests.

mod cell;
mod grid;
mod kind;
mod plan;

pub use cell::{Bytes, Cell, Mode, Outcome, Side};
pub use grid::page;
pub use kind::{Kind, Path};
pub use plan::{Pair, Plan, sites};
