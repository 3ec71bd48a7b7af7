use ndarray::array;
use orientation::{product, softmax};

fn main() {
    let mut z: [Float; 2] = [1.0, 3.0].map(Float::ln);
    softmax(&mut z); // exp(ln 1) and exp(ln 3), of 4
    let c = product(&array![[1.0, 2.0]], &array![[3.0], [4.0]]);
    println!("{:.2} {:.2} {}", z[0], z[1], c[[0, 0]]); // 1·3 + 2·4
}
