//! What stands behind the seven chapters. Each of these modules imports
//! chapters, and none of the others but the format of their files.

pub mod checkpoint;
pub mod hugging_face;
#[cfg(feature = "mpi")]
pub mod parallel;
pub mod safetensors;
pub mod scalar_autograd;
