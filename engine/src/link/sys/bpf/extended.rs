//! Programs of the classic language of `bpf(4)` in the one that the kernel runs (RFC 9669), for where it takes no classic ones.
//!
//! The kernel translates the classic programs of sockets in the same way. The accumulator becomes the register of results, in which
//! instructions that load from the packet leave what they find; a load beyond the packet ends the program with 0 here as well.

use libc::sock_filter;

use crate::link::instruction::{Instruction, instruction as emit};

/// Registers by their use.
const ACCUMULATOR: u8 = 0;
const ARGUMENT: u8 = 1;
/// Where loads from the packet look for the context.
const CONTEXT: u8 = 6;
const INDEX: u8 = 7;
const SAVED: u8 = 8;
const STACK: u8 = 10;

const MOVE_64: u8 = 0xbf;
const MOVE: u8 = 0xbc;
const MOVE_VALUE: u8 = 0xb4;
const AND_VALUE: u8 = 0x54;
const SHIFT_LEFT_VALUE: u8 = 0x64;
const STORE: u8 = 0x63;
const LOAD: u8 = 0x61;
const JUMP: u8 = 0x05;
const EXIT: u8 = 0x95;
/// Comparisons and arithmetic of 32 bits, with the operations of the classic language.
const COMPARE: u8 = 0x06;
const ARITHMETIC: u8 = 0x04;
const BY_REGISTER: u8 = 0x08;

/// What stands in front of a translated program: both registers of the classic language are zero when it begins.
const PROLOGUE: usize = 3;

/// Translates a program. Of the classic language it knows what [`share`](super::super::share) speaks.
pub(in crate::link::sys) fn extend(classic: &[sock_filter]) -> Vec<Instruction> {
    let mut places = Vec::with_capacity(classic.len() + 1);
    let mut place = PROLOGUE;
    for instruction in classic {
        places.push(place);
        place += translate(instruction, |_| 0).len();
    }
    places.push(place);
    let mut code = vec![
        emit(MOVE_64, CONTEXT, ARGUMENT, 0, 0),
        emit(MOVE_VALUE, ACCUMULATOR, 0, 0, 0),
        emit(MOVE_VALUE, INDEX, 0, 0, 0),
    ];
    for (number, instruction) in classic.iter().enumerate() {
        let place = |skipped: u32| {
            let to = number + 1 + skipped as usize;
            places[to.min(classic.len())] as i16
        };
        code.extend(translate(instruction, place));
    }
    code
}

/// One instruction, whose jumps lead to where `place` says that so many instructions further on begin. Its length does not depend on that.
fn translate(instruction: &sock_filter, place: impl Fn(u32) -> i16) -> Vec<Instruction> {
    let (code, operand) = (u32::from(instruction.code), instruction.k);
    let value = operand.cast_signed();
    // Slots lie below each other, each of four bytes.
    let slot = || -4 * (value as i16 + 1);
    match code & 0x07 {
        libc::BPF_LD if code & 0xe0 == libc::BPF_IND => vec![emit(code as u8, 0, INDEX, 0, value)],
        libc::BPF_LD => vec![emit(code as u8, 0, 0, 0, value)],
        libc::BPF_LDX if code & 0xe0 == libc::BPF_MSH => header_len(value),
        libc::BPF_LDX if code & 0xe0 == libc::BPF_MEM => vec![emit(LOAD, INDEX, STACK, slot(), 0)],
        libc::BPF_LDX => vec![emit(MOVE_VALUE, INDEX, 0, 0, value)],
        libc::BPF_ST => vec![emit(STORE, STACK, ACCUMULATOR, slot(), 0)],
        libc::BPF_ALU => {
            let by = code as u8 & BY_REGISTER;
            let (source, value) = if by == 0 { (0, value) } else { (INDEX, 0) };
            vec![emit(
                code as u8 & 0xf0 | ARITHMETIC | by,
                ACCUMULATOR,
                source,
                0,
                value,
            )]
        }
        libc::BPF_JMP if code & 0xf0 == libc::BPF_JA => vec![jump(place(0), place(operand))],
        libc::BPF_JMP => {
            // Two instructions, so that either way may lead anywhere: the jump that is taken when it is so, and the other.
            let behind = place(0);
            let yes = place(instruction.jt.into()) - behind + 1;
            vec![
                emit(code as u8 & 0xf0 | COMPARE, ACCUMULATOR, 0, yes, value),
                jump(behind, place(instruction.jf.into())),
            ]
        }
        libc::BPF_RET if code & 0x18 == libc::BPF_A => vec![emit(EXIT, 0, 0, 0, 0)],
        libc::BPF_RET => vec![emit(MOVE_VALUE, ACCUMULATOR, 0, 0, value), emit(EXIT, 0, 0, 0, 0)],
        _ => vec![emit(MOVE, INDEX, ACCUMULATOR, 0, 0)],
    }
}

/// The index becomes four times the low half of a byte of the packet; the accumulator stays.
fn header_len(offset: i32) -> Vec<Instruction> {
    const LOAD_BYTE: u8 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u8;
    vec![
        emit(MOVE_64, SAVED, ACCUMULATOR, 0, 0),
        emit(LOAD_BYTE, 0, 0, 0, offset),
        emit(AND_VALUE, ACCUMULATOR, 0, 0, 0xf),
        emit(SHIFT_LEFT_VALUE, ACCUMULATOR, 0, 0, 2),
        emit(MOVE, INDEX, ACCUMULATOR, 0, 0),
        emit(MOVE_64, ACCUMULATOR, SAVED, 0, 0),
    ]
}

/// A jump whose next instruction is at `behind`.
fn jump(behind: i16, to: i16) -> Instruction {
    emit(JUMP, 0, 0, to - behind, 0)
}

#[cfg(test)]
mod tests;
