//! A type that no page shows or names.

pub type Lonely = f32;
