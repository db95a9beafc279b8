//! Instructions of RFC 9669, as the kernel has them in memory.

/// One instruction.
pub(super) type Instruction = [u8; 8];

/// An operation with its registers, its offset and its value, each zero where the operation has none.
pub(super) fn instruction(operation: u8, target: u8, source: u8, offset: i16, value: i32) -> Instruction {
    let [low, high] = offset.to_ne_bytes();
    let [a, b, c, d] = value.to_ne_bytes();
    let registers = if cfg!(target_endian = "little") {
        source << 4 | target
    } else {
        target << 4 | source
    };
    [operation, registers, low, high, a, b, c, d]
}
