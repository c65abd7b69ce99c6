//! Small i386 programs, made byte by byte: no compiler is needed to run these tests.

/// Where programs are loaded.
const BASE: u32 = 0x0804_8000;
/// ELF header and one program header.
const HEADERS: u32 = 52 + 32;

/// A static ELF executable of one segment that may be read, written and executed (elf(5)).
fn executable(code: &[u8]) -> Vec<u8> {
    let size = HEADERS + code.len() as u32;
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
    let word = |file: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
    // ET_EXEC, EM_386, version, entry, program headers, no sections, no flags.
    half(&mut file, &[2, 3]);
    word(&mut file, &[1, BASE + HEADERS, 52, 0, 0]);
    half(&mut file, &[52, 32, 1, 0, 0, 0]);
    // PT_LOAD, offset, address twice, sizes with a page of room behind, RWX, alignment.
    word(&mut file, &[1, 0, BASE, BASE, size, size + 4096, 7, 4096]);
    file.extend_from_slice(code);
    file
}

fn mov(register: u8, value: u32) -> Vec<u8> {
    let mut code = vec![0xb8 + register];
    code.extend(value.to_le_bytes());
    code
}

const EAX: u8 = 0;
const ECX: u8 = 1;
const EDX: u8 = 2;
const EBX: u8 = 3;
const INT_80: [u8; 2] = [0xcd, 0x80];

/// Prints `hello` on standard output and `error` on standard error, and exits with 7.
pub(crate) fn hello() -> Vec<u8> {
    let write = |fd: u32, address: u32| {
        [mov(EAX, 4), mov(EBX, fd), mov(ECX, address), mov(EDX, 6), INT_80.to_vec()].concat()
    };
    let exit = [mov(EAX, 1), mov(EBX, 7), INT_80.to_vec()].concat();
    let text = BASE + HEADERS + 2 * write(0, 0).len() as u32 + exit.len() as u32;
    executable(&[write(1, text), write(2, text + 6), exit, b"hello\nerror\n".to_vec()].concat())
}

/// Copies standard input to standard output, 4096 bytes at most at once, and exits with 0 at the end or an error.
pub(crate) fn cat() -> Vec<u8> {
    let buffer = |code: usize| BASE + HEADERS + code as u32;
    // read(0, buffer, 4096); test eax, eax; jle end; write(1, buffer, eax); test; jle end; jmp start; end: exit(0)
    let build = |address: u32| {
        let read = [mov(EAX, 3), mov(EBX, 0), mov(ECX, address), mov(EDX, 4096), INT_80.to_vec()].concat();
        let write = [vec![0x89, 0xc2], mov(EAX, 4), mov(EBX, 1), INT_80.to_vec()].concat();
        let test = [0x85, 0xc0];
        // Lengths: two bytes for each short jump.
        let after_first = write.len() + test.len() + 2 + 2;
        let loop_len = read.len() + test.len() + 2 + after_first;
        [
            read,
            test.to_vec(),
            vec![0x7e, after_first as u8],
            write,
            test.to_vec(),
            vec![0x7e, 2],
            vec![0xeb, (-(loop_len as i32)) as i8 as u8],
            mov(EAX, 1),
            mov(EBX, 0),
            INT_80.to_vec(),
        ]
        .concat()
    };
    let length = build(0).len();
    executable(&build(buffer(length)))
}
