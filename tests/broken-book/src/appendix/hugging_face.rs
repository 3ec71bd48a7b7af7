//! An appendix that imports another.

use crate::checkpoint::save;
