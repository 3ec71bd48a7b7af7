//! What several appendices share.

use crate::gpt::Gpt;
