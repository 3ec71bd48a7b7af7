//! What stands behind the seven chapters. Each of these modules imports
//! chapters (`bf16` only the root), and none of the others but the format of
//! their files.

#[cfg(all(feature = "bf16", target_arch = "x86_64", target_os = "linux"))]
pub mod bf16;
pub mod checkpoint;
pub mod hugging_face;
#[cfg(feature = "mpi")]
pub mod parallel;
pub mod safetensors;
pub mod scalar_autograd;
