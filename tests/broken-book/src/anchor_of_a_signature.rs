// ANCHOR: anchor_of_a_signature
fn item()
where
    u8: Copy,
// ANCHOR_END: anchor_of_a_signature
{
}
