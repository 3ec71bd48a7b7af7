fn item() {
// ANCHOR: anchor_of_another_half
let half = ();
}
// ANCHOR_END: anchor_of_another_half
