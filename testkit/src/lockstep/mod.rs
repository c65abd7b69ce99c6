//! A real program beside an engine, instruction by instruction: the processor runs it under ptrace(2), the engine runs each
//! of its instructions from the same state, and the first difference ends it.
//!
//! The processor leads. Before each instruction the engine gets the program's registers; its memory is a copy that is
//! filled when it is touched, checked where an instruction wrote, checked as a whole before each system call, and taken
//! anew after one. System calls, signals and what no two processors agree on (`rdtsc`, `rdrand`) are the machine's;
//! CPUID is the engine's, and so is the choice of code that depends on it. The vDSO is hidden from the program.
//!
//! Only the first thread of the first process is followed; memory that others change looks like a difference.

mod mirror;

use crate::compare::Scope;
use crate::guest;
use crate::host::process::{Registers, Stop, Traced};
use crate::outcome::{Outcome, Ran};
use crate::skips;
use mirror::Mirror;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::Command;
use x86_cpu::{
    CodeMode, CpuState, Descriptor, ExecEngine, Exit, Segment, SyscallGate, Vector, flags, gpr, selector,
};
use x86_decode::{Insn, Mem, Mode, NO_REG, Op, Operand, RIP, Reg, Seg, Width, decode};

/// Instructions shown before a difference.
const SHOWN: usize = 16;
/// Entries of the auxiliary vector (elf.h).
const AT_NULL: u64 = 0;
const AT_IGNORE: u64 = 1;
const AT_SYSINFO: u64 = 32;
const AT_SYSINFO_EHDR: u64 = 33;
/// rseq(2) by architecture, and the error of a kernel without it.
const RSEQ_X86_64: u64 = 334;
const RSEQ_I386: u64 = 386;
const ENOSYS: u64 = 38;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions compared.
    pub instructions: u64,
    /// System calls left to the machine.
    pub calls: u64,
    /// Signals that the program got.
    pub signals: u64,
    /// Instructions whose results the processor decides.
    pub adopted: u64,
}

/// Processor and engine disagree.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What differs, a line each.
    pub what: Vec<String>,
    /// Addresses and texts of the last instructions; the last one is it, or one of the last that wrote memory.
    pub history: Vec<(u64, String)>,
    /// Registers before it.
    pub before: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rip, text) in &self.history {
            writeln!(f, "  {rip:#x}: {text}")?;
        }
        writeln!(f, "  before it: {}", self.before)?;
        self.what.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// How it ended.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The program ended, as it says.
    Ended(Stop),
    /// As many instructions as were asked for agreed.
    Enough,
    /// They do not agree.
    Differs(Box<Difference>),
}

/// A program in both.
#[derive(Debug)]
pub struct Lockstep<E> {
    program: Traced,
    mirror: Mirror,
    engine: E,
    /// The program's `set_thread_area` slots.
    areas: [Descriptor; selector::TLS_ENTRIES],
    history: VecDeque<(u64, String)>,
    counts: Counts,
}

/// What became of one instruction.
enum Step {
    /// The processor's registers, boxed for their size.
    Agreed(Box<Registers>),
    Ended(Stop),
    Differs(Vec<String>),
}

impl<E: ExecEngine> Lockstep<E> {
    /// Starts a program, in a root directory of its own where one is given.
    ///
    /// # Errors
    /// It cannot be run, or tracing is not allowed here.
    pub fn start(command: &mut Command, root: Option<&Path>, engine: E) -> io::Result<Lockstep<E>> {
        let program = Traced::start(command, root)?;
        hide_vdso(&program)?;
        let mirror = Mirror::new(&program)?;
        let areas = program.thread_areas();
        let (history, counts) = (VecDeque::new(), Counts::default());
        Ok(Lockstep { program, mirror, engine, areas, history, counts })
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Runs until the program ends, they differ, or `limit` instructions agreed.
    ///
    /// # Errors
    /// The program cannot be traced any longer.
    pub fn run(&mut self, limit: u64) -> io::Result<Verdict> {
        let mut before = self.program.registers()?;
        while self.counts.instructions < limit {
            match self.step(&before)? {
                Step::Agreed(after) => before = *after,
                Step::Ended(stop) => return Ok(Verdict::Ended(stop)),
                Step::Differs(what) => {
                    let history = self.history.iter().cloned().collect();
                    let before = crate::compare::describe(&before.state);
                    return Ok(Verdict::Differs(Box::new(Difference { what, history, before })));
                }
            }
        }
        Ok(Verdict::Enough)
    }

    fn step(&mut self, before: &Registers) -> io::Result<Step> {
        let insn = self.decode(before);
        let text = insn.as_ref().map_or_else(|| "no instruction".into(), ToString::to_string);
        if self.history.len() == SHOWN {
            self.history.pop_front();
        }
        self.history.push_back((before.rip, text));
        self.counts.instructions += 1;
        if let Some(insn) = insn.filter(is_the_machines) {
            return self.adopt(&insn);
        }
        let (cpu, exit) = self.run_engine(before);
        match exit {
            Exit::Syscall(gate) => self.system_call(before, gate, &cpu),
            Exit::Fault(_) => self.faulted(before, 11, &format!("{exit:?}")),
            Exit::Exception(e) if e.vector != Vector::Debug => {
                let signal = signal_of(e.vector);
                self.faulted(before, signal, &format!("{:?}", e.vector))
            }
            _ => match insn {
                Some(insn) => self.completed(before, &insn, &cpu),
                None => {
                    Ok(Step::Differs(vec!["the decoder finds no instruction, the engine ran one".into()]))
                }
            },
        }
    }

    fn decode(&mut self, before: &Registers) -> Option<Insn> {
        let mut bytes = [0; 15];
        // Into the next page only where the instruction goes there.
        for _ in 0..2 {
            let got = self.mirror.mem.fetch(before.rip, &mut bytes).unwrap_or(0);
            if let Ok(insn) = decode(&bytes[..got], before.mode) {
                return Some(insn);
            }
            self.mirror.fetch(&self.program, before.rip + got as u64);
        }
        let got = self.mirror.mem.fetch(before.rip, &mut bytes).unwrap_or(0);
        decode(&bytes[..got], before.mode).ok()
    }

    /// One instruction of the engine's, from the program's registers.
    fn run_engine(&mut self, before: &Registers) -> (CpuState, Exit) {
        loop {
            let mut cpu = load(before);
            cpu.tls = self.areas;
            cpu.rflags |= flags::TF;
            let ran = self.engine.run(&mut cpu, &self.mirror.mem, 1);
            match ran.exit {
                Exit::Fault(fault) if self.mirror.fetch(&self.program, fault.addr) => {}
                exit => {
                    cpu.rflags &= !flags::TF;
                    return (cpu, exit);
                }
            }
        }
    }

    /// The engine is at a system call, or behind it.
    fn system_call(&mut self, before: &Registers, gate: SyscallGate, cpu: &CpuState) -> io::Result<Step> {
        if let Some(lines) = self.memory_differs() {
            return Ok(Step::Differs(lines));
        }
        self.counts.calls += 1;
        let rseq = if gate == SyscallGate::Syscall { RSEQ_X86_64 } else { RSEQ_I386 };
        if before.state.gpr[gpr::RAX] == rseq {
            // The kernel would write there whenever the thread was interrupted.
            let mut gpr = before.state.gpr;
            gpr[gpr::RAX] = ENOSYS.wrapping_neg();
            self.program.set_registers(&gpr, cpu.rip)?;
            return self.agreed();
        }
        let stop = self.program.step(0)?;
        self.settle(stop)
    }

    fn memory_differs(&self) -> Option<Vec<String>> {
        let (addr, theirs, ours) = self.mirror.difference(&self.program)?;
        let since = "some instruction since the last system call wrote something else";
        Some(vec![format!("memory at {addr:#x}: processor {theirs:02x?}, engine {ours:02x?}"), since.into()])
    }

    /// After something that the machine alone did.
    fn settle(&mut self, mut stop: Stop) -> io::Result<Step> {
        while let Stop::Signal { number, .. } = stop {
            self.counts.signals += 1;
            stop = self.program.step(number)?;
        }
        if stop != Stop::Stepped {
            return Ok(Step::Ended(stop));
        }
        self.mirror.refresh(&self.program)?;
        self.areas = self.program.thread_areas();
        self.agreed()
    }

    fn agreed(&self) -> io::Result<Step> {
        Ok(Step::Agreed(Box::new(self.program.registers()?)))
    }

    /// An instruction that only the machine can do.
    fn adopt(&mut self, insn: &Insn) -> io::Result<Step> {
        self.counts.adopted += 1;
        let stop = self.program.step(0)?;
        // Most of them write registers only.
        if stop == Stop::Stepped && !insn.operands.iter().any(|operand| matches!(operand, Operand::Mem(_))) {
            return self.agreed();
        }
        self.settle(stop)
    }

    /// The engine says that the instruction cannot be done.
    fn faulted(&mut self, before: &Registers, signal: i32, what: &str) -> io::Result<Step> {
        let stop = self.program.step(0)?;
        match stop {
            // What is mapped beyond the end of a file is SIGBUS.
            Stop::Signal { number, fault: true } if number == signal || (signal, number) == (11, 7) => {
                self.settle(stop)
            }
            Stop::Signal { fault: false, .. } => self.settle(stop),
            other => {
                let after = self.program.registers().map_or(before.rip, |after| after.rip);
                let line = format!("processor {other:?}, at {after:#x} then; engine {what}, signal {signal}");
                Ok(Step::Differs(vec![line]))
            }
        }
    }

    /// The engine did the instruction.
    fn completed(&mut self, before: &Registers, insn: &Insn, cpu: &CpuState) -> io::Result<Step> {
        if matches!(insn.op, Op::Cpuid | Op::Xgetbv) {
            self.counts.adopted += 1;
            self.program.set_registers(&cpu.gpr, cpu.rip)?;
            return self.agreed();
        }
        let stop = self.program.step(0)?;
        match stop {
            Stop::Stepped => {}
            Stop::Signal { fault: false, .. } => return self.settle(stop),
            Stop::Signal { number, .. } => {
                return Ok(Step::Differs(vec![format!("processor: signal {number}; engine: done")]));
            }
            ended => return Ok(Step::Ended(ended)),
        }
        let after = self.program.registers()?;
        if matches!(insn.op, Op::Pushf) {
            // Stepping shows in the image of the flags.
            let at = after.state.gpr[gpr::RSP] + 1;
            let mut byte = [0];
            self.program.read(at, &mut byte);
            self.program.write(at, &[byte[0] & !1])?;
            if let Ok(ours) = self.mirror.mem.read::<u8>(at) {
                let _ = self.mirror.mem.write::<u8>(at, ours & !1);
            }
        }
        let mut lines = Vec::new();
        if after.rip != cpu.rip {
            lines.push(format!("rip: processor {:#x}, engine {:#x}", after.rip, cpu.rip));
        }
        let scope = Scope::of(insn, None, before.mode, false);
        let ran = |state| Ran { outcome: Outcome { state, taken: false, trap: None }, data: Vec::new() };
        lines.extend(scope.differences(&ran(after.state.clone()), &ran(guest::save(cpu))));
        for (addr, len) in written(insn, before, &after) {
            if let Some((theirs, ours)) = self.mirror.differs_at(&self.program, addr, len) {
                lines.push(format!("memory at {addr:#x}: processor {theirs:02x?}, engine {ours:02x?}"));
            }
        }
        Ok(if lines.is_empty() { Step::Agreed(Box::new(after)) } else { Step::Differs(lines) })
    }
}

/// What depends on the machine beyond what the engine models, system calls aside.
fn is_the_machines(insn: &Insn) -> bool {
    let segment = |operand: &Operand| matches!(operand, Operand::Reg(Reg::Seg(_)));
    let ours = [Op::Syscall, Op::Sysenter, Op::Int, Op::Cpuid, Op::Xgetbv];
    !ours.contains(&insn.op) && (skips::reason(insn.row).is_some() || insn.operands.iter().any(segment))
}

/// The signal that Linux makes of an exception (arch/x86/kernel/traps.c).
fn signal_of(vector: Vector) -> i32 {
    match vector {
        Vector::DivideError | Vector::X87FloatingPoint | Vector::SimdFloatingPoint => 8,
        Vector::Debug | Vector::Breakpoint => 5,
        Vector::InvalidOpcode => 4,
        Vector::SegmentNotPresent | Vector::StackFault | Vector::AlignmentCheck => 7,
        _ => 11,
    }
}

fn load(registers: &Registers) -> CpuState {
    let mut cpu = guest::load(&registers.state, registers.mode);
    cpu.mode = if registers.mode == Mode::Bits64 { CodeMode::Bits64 } else { CodeMode::Bits32 };
    cpu.rip = registers.rip;
    let [cs, ss, ds, es, fs, gs] = registers.segments.map(|(selector, base)| Segment { selector, base });
    (cpu.segments.cs, cpu.segments.ss, cpu.segments.ds) = (cs, ss, ds);
    (cpu.segments.es, cpu.segments.fs, cpu.segments.gs) = (es, fs, gs);
    cpu
}

/// Where an instruction wrote, as far as its operands say.
fn written(insn: &Insn, before: &Registers, after: &Registers) -> Vec<(u64, usize)> {
    let mut places = Vec::new();
    for (operand, arg) in insn.operands.iter().zip(&insn.row.args) {
        if let Operand::Mem(mem) = operand
            && arg.access.writes()
        {
            let len = if mem.size == 0 { 64 } else { usize::from(mem.size) };
            places.push((address(mem, before, after), len.min(512)));
        }
    }
    if insn.row.memory.writes() {
        let (sp, di) = (after.state.gpr[gpr::RSP], before.state.gpr[gpr::RDI]);
        places.extend([(sp, 8), (di, 8)]);
    }
    places
}

fn address(mem: &Mem, before: &Registers, after: &Registers) -> u64 {
    let register = |number: u8| match number {
        NO_REG => 0,
        RIP => after.rip,
        number => before.state.gpr.get(usize::from(number)).copied().unwrap_or(0),
    };
    let scaled = register(mem.index).wrapping_mul(mem.scale.into());
    let offset = register(mem.base).wrapping_add(scaled).wrapping_add(mem.disp as u64);
    let offset = match mem.addr {
        Width::W64 => offset,
        Width::W32 => offset & 0xffff_ffff,
        _ => offset & 0xffff,
    };
    let base = match mem.seg {
        Seg::Fs => before.segments[4].1,
        Seg::Gs => before.segments[5].1,
        _ => 0,
    };
    let linear = offset.wrapping_add(base);
    if before.mode == Mode::Bits64 { linear } else { linear & 0xffff_ffff }
}

/// Takes the vDSO out of the auxiliary vector: it reads a clock that does not stand still for two.
fn hide_vdso(program: &Traced) -> io::Result<()> {
    let registers = program.registers()?;
    let word: u64 = if registers.mode == Mode::Bits64 { 8 } else { 4 };
    let get = |at: u64| {
        let mut bytes = [0; 8];
        program.read(at, &mut bytes[..word as usize]);
        u64::from_le_bytes(bytes)
    };
    let sp = registers.state.gpr[gpr::RSP];
    // Behind the count: arguments, nothing, environment, nothing.
    let mut at = sp + word * (get(sp) + 2);
    while get(at) != 0 {
        at += word;
    }
    at += word;
    loop {
        match get(at) {
            AT_NULL => return Ok(()),
            AT_SYSINFO | AT_SYSINFO_EHDR => program.write(at, &AT_IGNORE.to_le_bytes()[..word as usize])?,
            _ => {}
        }
        at += 2 * word;
    }
}
