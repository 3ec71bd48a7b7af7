//! The model imports what trains it.

use super::{
    Float,
    orientation::{self, training},
    training::{Trainer, split},
};
