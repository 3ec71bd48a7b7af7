//! Author & Other (1999) are known,
//! as is A. Author, from
//! long ago (1999).

/// Nobody & Other (1998), §2.
const NOBODY: &str = "Nobody (1998)"; // Nobody (1998)
