//! iced's instruction in our terms, compared with ours.

use iced_x86::{
    FlowControl, Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
    RflagsBits,
};
use x86_decode::{
    Access, FlagSet, Flow, Insn, Mem, NO_REG, Op, Operand, RIP, Reg, RegSet, Rep, Seg, Width, XMM_INDEX,
    YMM_INDEX,
};

use crate::differences as diff;

/// Everything in which the two disagree, one line each, without values so that equal causes give equal lines.
pub(crate) fn compare(
    ours: &Insn,
    theirs: &Instruction,
    bits: u32,
    factory: &mut InstructionInfoFactory,
) -> Vec<String> {
    let mut problems = Vec::new();
    let code = theirs.code();
    let mut report = |what: &str| problems.push(format!("{code:?}: {what}"));
    if usize::from(ours.len) != theirs.len() {
        report("length");
    }
    let (name, width) = name_of(theirs);
    if diff::same_op(theirs).map_or(ours.op.name() != name, |op| ours.op != op) {
        report(&format!("mnemonic {:?}", ours.op));
        return problems;
    }
    if width.is_some_and(|width| ours.width != width) {
        report(&format!("width {:?}", ours.width));
    }
    if ours.lock != theirs.has_lock_prefix() {
        report("lock");
    }
    let rep = match (theirs.is_string_instruction(), theirs.has_repne_prefix(), theirs.has_rep_prefix()) {
        (true, true, _) => Rep::Repne,
        (true, _, true) => Rep::Rep,
        _ => Rep::None,
    };
    if ours.rep != rep {
        report("rep");
    }
    if flow_of(theirs) != ours.row.flow {
        report(&format!("flow {:?}", ours.row.flow));
    }
    if theirs.is_privileged() != ours.row.privileged
        && !diff::PRIVILEGED.iter().any(|(mnemonic, _)| *mnemonic == theirs.mnemonic())
    {
        report("privileged");
    }
    if theirs.fpu_stack_increment_info().increment() != -i32::from(ours.row.fpu_depth) {
        report("fpu depth");
    }
    let info = factory.info(theirs);
    operands(ours, theirs, info, bits, &mut report);
    flags(ours, theirs, &mut report);
    registers(ours, theirs, info, bits, &mut report);
    vectors(ours, theirs, info, bits, &mut report);
    problems
}

/// Our name of iced's mnemonic, and the width where iced's mnemonic or code tells it.
fn name_of(i: &Instruction) -> (String, Option<Width>) {
    let name = format!("{:?}", i.mnemonic()).to_lowercase();
    let string = ["movs", "cmps", "stos", "lods", "scas", "ins", "outs"];
    if i.is_string_instruction() {
        let (stem, suffix) = name.split_at(name.len() - 1);
        assert!(string.contains(&stem), "{name}");
        let width = match suffix {
            "b" => Width::W8,
            "w" => Width::W16,
            "d" => Width::W32,
            _ => Width::W64,
        };
        return (stem.into(), Some(width));
    }
    if let Some((_, ours, width)) = diff::NAMES.iter().find(|(theirs, ..)| *theirs == i.mnemonic()) {
        return ((*ours).into(), *width);
    }
    if i.is_call_far() || i.is_call_far_indirect() || i.is_jmp_far() || i.is_jmp_far_indirect() {
        return (format!("{name} far"), None);
    }
    (name, None)
}

fn flow_of(i: &Instruction) -> Flow {
    match (i.mnemonic(), i.flow_control()) {
        (Mnemonic::Hlt, _) => Flow::Halt,
        (Mnemonic::Syscall | Mnemonic::Sysenter, _) => Flow::Interrupt,
        (_, FlowControl::Next) => Flow::Next,
        (_, FlowControl::UnconditionalBranch) => Flow::Branch,
        (_, FlowControl::IndirectBranch) => Flow::IndirectBranch,
        (_, FlowControl::ConditionalBranch) => Flow::CondBranch,
        (_, FlowControl::Return) => Flow::Ret,
        (_, FlowControl::Call) => Flow::Call,
        (_, FlowControl::IndirectCall) => Flow::IndirectCall,
        (_, FlowControl::Interrupt) => Flow::Interrupt,
        (_, FlowControl::Exception) => Flow::Exception,
        (_, other) => panic!("{other:?}"),
    }
}

fn reg_of(reg: Register) -> Option<Reg> {
    let offset = |first: Register| (reg as u32 - first as u32) as u8;
    Some(match reg {
        _ if reg.is_gpr8() => match offset(Register::AL) {
            n @ 0..4 => Reg::Gpr8(n),
            n @ 4..8 => Reg::Gpr8High(n - 4),
            n => Reg::Gpr8(n - 4),
        },
        _ if reg.is_gpr16() => Reg::Gpr16(reg.number() as u8),
        _ if reg.is_gpr32() => Reg::Gpr32(reg.number() as u8),
        _ if reg.is_gpr64() => Reg::Gpr64(reg.number() as u8),
        _ if reg.is_segment_register() => Reg::Seg(seg_of(reg)),
        _ if reg.is_st() => Reg::St(reg.number() as u8),
        _ if reg.is_mm() => Reg::Mm(reg.number() as u8),
        _ if reg.is_xmm() => Reg::Xmm(reg.number() as u8),
        _ if reg.is_ymm() => Reg::Ymm(reg.number() as u8),
        _ if reg.is_cr() => Reg::Cr(reg.number() as u8),
        _ if reg.is_dr() => Reg::Dr(reg.number() as u8),
        _ => return None,
    })
}

fn seg_of(reg: Register) -> Seg {
    match reg {
        Register::ES => Seg::Es,
        Register::CS => Seg::Cs,
        Register::SS => Seg::Ss,
        Register::FS => Seg::Fs,
        Register::GS => Seg::Gs,
        _ => Seg::Ds,
    }
}

fn bits_of(value: i64, width: Width) -> u64 {
    value as u64 & (u64::MAX >> (64 - width.bits()))
}

/// Whether our memory operand is theirs; sizes are compared apart.
fn same_memory(ours: &Mem, theirs: &Instruction, bits: u32) -> bool {
    let (base, index) = (theirs.memory_base(), theirs.memory_index());
    let number = |reg: Register| match reg {
        Register::None => NO_REG,
        _ if reg.is_xmm() => XMM_INDEX + reg.number() as u8,
        _ if reg.is_ymm() => YMM_INDEX + reg.number() as u8,
        _ => reg.number() as u8,
    };
    let width = |reg: Register| match reg.size() {
        2 => Width::W16,
        4 => Width::W32,
        _ => Width::W64,
    };
    let rip = theirs.is_ip_rel_memory_operand();
    // iced tells the address size by registers, or by the displacement where there are none.
    let addr = match (base, index) {
        (Register::None, Register::None) => match theirs.memory_displ_size() {
            2 => Width::W16,
            4 => Width::W32,
            _ => Width::W64,
        },
        (Register::None, index) if index.is_vector_register() => match theirs.memory_displ_size() {
            8 => Width::W64,
            _ => Width::W32,
        },
        (Register::None, index) => width(index),
        (base, _) => width(base),
    };
    // A 64-bit address without registers has a displacement of 4 bytes, which iced calls 8.
    let disp = theirs.memory_displacement64();
    // iced makes the target of a RIP-relative operand absolute.
    let disp = if rip { disp.wrapping_sub(theirs.next_ip()) } else { disp };
    let base = if rip { RIP } else { number(base) };
    let default = if matches!(ours.base, 4 | 5) { Seg::Ss } else { Seg::Ds };
    // iced keeps the scale of an absent index.
    let scale = if index == Register::None { 1 } else { theirs.memory_index_scale() };
    ours.seg == diff::segment(seg_of(theirs.memory_segment()), default, bits)
        && ours.base == base
        && ours.index == number(index)
        && u32::from(ours.scale) == scale
        && bits_of(ours.disp, ours.addr) == bits_of(disp as i64, ours.addr)
        && ours.addr == addr
        && u32::from(ours.addr.bits()) <= bits.max(32)
}

fn access_of(access: OpAccess) -> Access {
    match access {
        OpAccess::Read => Access::Read,
        OpAccess::Write => Access::Write,
        // A destination written under a condition keeps its old value otherwise: a read for liveness.
        OpAccess::ReadWrite | OpAccess::ReadCondWrite | OpAccess::CondWrite => Access::ReadWrite,
        OpAccess::CondRead => Access::Read,
        _ => Access::None,
    }
}

fn operands(
    ours: &Insn,
    theirs: &Instruction,
    info: &InstructionInfo,
    bits: u32,
    report: &mut impl FnMut(&str),
) {
    let mut mine = ours.operands.iter().zip(&ours.row.args);
    for n in 0..theirs.op_count() {
        let kind = theirs.op_kind(n);
        let implicit_source = matches!(
            kind,
            OpKind::MemorySegSI
                | OpKind::MemorySegESI
                | OpKind::MemorySegRSI
                | OpKind::MemorySegDI
                | OpKind::MemorySegEDI
                | OpKind::MemorySegRDI
        );
        if implicit_source || theirs.mnemonic() == Mnemonic::Xlatb {
            if ours.seg != diff::segment(seg_of(theirs.memory_segment()), Seg::Ds, bits) {
                report("segment of implicit operand");
            }
            continue;
        }
        if matches!(kind, OpKind::MemoryESDI | OpKind::MemoryESEDI | OpKind::MemoryESRDI)
            || kind == OpKind::Register && diff::is_implicit_operand(theirs)
            || n > 0 && diff::is_hint(theirs)
        {
            continue;
        }
        let Some((operand, arg)) = mine.next() else {
            report(&format!("operand {n} missing"));
            continue;
        };
        let same = match (*operand, kind) {
            (Operand::Reg(_), OpKind::Register) if diff::is_hint(theirs) => true,
            (Operand::Reg(reg), OpKind::Register) => reg_of(diff::register(theirs, n)) == Some(reg),
            (Operand::Mem(mem), OpKind::Memory) => {
                let size = theirs.memory_size().size() as u16;
                if mem.size != size
                    && !(mem.size == 0
                        && (diff::is_hint(theirs) || diff::UNSIZED.contains(&theirs.mnemonic())))
                {
                    report(&format!("memory size {} for {size}", mem.size));
                }
                same_memory(&mem, theirs, bits)
            }
            (Operand::Rel(rel), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64) => {
                let width = match kind {
                    OpKind::NearBranch16 => Width::W16,
                    OpKind::NearBranch32 => Width::W32,
                    _ => Width::W64,
                };
                let target = rel.wrapping_add(i64::from(ours.len));
                width == ours.width && bits_of(target, width) == theirs.near_branch_target()
            }
            (Operand::Far { selector, offset }, OpKind::FarBranch16) => {
                ours.width == Width::W16
                    && selector == theirs.far_branch_selector()
                    && offset == u32::from(theirs.far_branch16())
            }
            (Operand::Far { selector, offset }, OpKind::FarBranch32) => {
                ours.width == Width::W32
                    && selector == theirs.far_branch_selector()
                    && offset == theirs.far_branch32()
            }
            (Operand::Imm(imm), _) => theirs.try_immediate(n).is_ok_and(|theirs| theirs == imm as u64),
            _ => false,
        };
        if !same {
            report(&format!("operand {n} is {}", operand_kind(operand)));
        }
        // An immediate is read, whatever iced calls it; a branch target too.
        let explicit = matches!(operand, Operand::Reg(_) | Operand::Mem(_));
        let access = access_of(info.op_access(n));
        if explicit && access != arg.access && !diff::is_hint(theirs) && !diff::is_idiom(theirs) {
            report(&format!("operand {n} access {:?} for {access:?}", arg.access));
        }
    }
    if mine.any(|(operand, _)| *operand != Operand::None) {
        report("too many operands");
    }
}

fn operand_kind(operand: &Operand) -> String {
    match operand {
        Operand::Mem(_) => "different memory".into(),
        Operand::Reg(reg) => format!("{reg:?}"),
        Operand::Imm(_) => "different immediate".into(),
        other => format!("{other:?}").split('(').next().unwrap_or_default().into(),
    }
}

fn flag_set(bits: u32) -> FlagSet {
    let table = [
        (RflagsBits::CF, FlagSet::CF),
        (RflagsBits::PF, FlagSet::PF),
        (RflagsBits::AF, FlagSet::AF),
        (RflagsBits::ZF, FlagSet::ZF),
        (RflagsBits::SF, FlagSet::SF),
        (RflagsBits::OF, FlagSet::OF),
        (RflagsBits::DF, FlagSet::DF),
        (RflagsBits::C0 | RflagsBits::C1 | RflagsBits::C2 | RflagsBits::C3, FlagSet::FPU),
    ];
    table.iter().filter(|(theirs, _)| bits & theirs != 0).fold(FlagSet::NONE, |set, (_, ours)| set.or(*ours))
}

fn flags(ours: &Insn, theirs: &Instruction, report: &mut impl FnMut(&str)) {
    if diff::FLAGS.iter().any(|(codes, _)| codes.contains(&theirs.code())) {
        return;
    }
    let flags = ours.flags();
    let written = theirs.rflags_written() | theirs.rflags_cleared() | theirs.rflags_set();
    // Our x87 condition codes are one: written if any of them is.
    let undefined = flag_set(theirs.rflags_undefined()).without(flag_set(written).and(FlagSet::FPU));
    for (what, ours, theirs) in [
        ("read", flags.read, flag_set(theirs.rflags_read())),
        ("written", flags.written, flag_set(written)),
        ("undefined", flags.undefined, undefined),
    ] {
        if ours != theirs {
            report(&format!("flags {what} {ours:?} for {theirs:?}"));
        }
    }
}

/// Compares the general registers read and written, explicit or not, and whether memory is read and written.
fn registers(
    ours: &Insn,
    theirs: &Instruction,
    info: &InstructionInfo,
    bits: u32,
    report: &mut impl FnMut(&str),
) {
    if diff::is_hint(theirs) || diff::is_idiom(theirs) {
        return;
    }
    let mut used = [ours.implicit_reads().0 & 0xffff, ours.implicit_writes().0 & 0xffff];
    let mut memory = [ours.row.memory.reads(), ours.row.memory.writes()];
    for (operand, arg) in ours.operands.iter().zip(&ours.row.args) {
        match *operand {
            Operand::Reg(Reg::Gpr8(n) | Reg::Gpr8High(n) | Reg::Gpr16(n) | Reg::Gpr32(n) | Reg::Gpr64(n)) => {
                used[0] |= u32::from(arg.access.reads()) << n;
                used[1] |= u32::from(arg.access.writes()) << n;
            }
            Operand::Mem(mem) => {
                // iced counts no address registers where it knows of no access.
                let unused = matches!(ours.op, Op::Nop | Op::Ud0 | Op::Ud1);
                for n in [mem.base, mem.index] {
                    if n < 16 && !unused {
                        used[0] |= 1 << n;
                    }
                }
                memory[0] |= arg.access.reads();
                memory[1] |= arg.access.writes();
            }
            _ => {}
        }
    }
    let mut expected = [0u32; 2];
    for used in info.used_registers() {
        let reg = used.register();
        let full = reg.full_register();
        if !full.is_gpr() {
            continue;
        }
        // AH to BH count as the registers they are part of.
        let n = full.number();
        let access = access_of(used.access());
        let conditional = used.access() == OpAccess::CondWrite;
        expected[0] |= u32::from(access.reads() && !conditional) << n;
        expected[1] |= u32::from(access.writes()) << n;
    }
    // A condition makes our destination read too; iced says so by the access alone.
    let conditional = info.used_registers().iter().filter(|u| u.access() == OpAccess::CondWrite);
    for reg in conditional {
        let bit = 1 << reg.register().full_register().number();
        if reg.register().full_register().is_gpr() && used[0] & bit != 0 {
            expected[0] |= bit;
        }
    }
    if expected != used {
        report(&format!("registers {}", difference(used, expected)));
    }
    let mut expected = [false; 2];
    for used in info.used_memory() {
        let access = access_of(used.access());
        let conditional = used.access() == OpAccess::CondWrite;
        expected[0] |= access.reads() && !conditional;
        expected[1] |= access.writes();
    }
    if expected != memory && !matches!(ours.op, Op::Enter) && bits != 0 {
        report(&format!("memory {memory:?} for {expected:?}"));
    }
}

/// Compares the XMM and YMM registers read and written, explicit or not.
fn vectors(
    ours: &Insn,
    theirs: &Instruction,
    info: &InstructionInfo,
    bits: u32,
    report: &mut impl FnMut(&str),
) {
    if diff::is_idiom(theirs) || diff::IMAGES.contains(&theirs.code()) {
        return;
    }
    let all = if bits == 64 { 0xffff } else { 0xff };
    let implicit = |set: RegSet| {
        if set.contains(RegSet::XMM_ALL) { all } else { u32::from(set.contains(RegSet::XMM0)) }
    };
    let mut used = [implicit(ours.implicit_reads()), implicit(ours.implicit_writes())];
    for (operand, arg) in ours.operands.iter().zip(&ours.row.args) {
        match *operand {
            Operand::Reg(Reg::Xmm(n) | Reg::Ymm(n)) => {
                used[0] |= u32::from(arg.access.reads()) << n;
                used[1] |= u32::from(arg.access.writes()) << n;
            }
            Operand::Mem(mem) if (XMM_INDEX..YMM_INDEX + 16).contains(&mem.index) => {
                used[0] |= 1 << (mem.index & 0xf);
            }
            _ => {}
        }
    }
    let mut expected = [0u32; 2];
    for used in info.used_registers().iter().filter(|used| used.register().is_vector_register()) {
        let access = access_of(used.access());
        expected[0] |= u32::from(access.reads()) << used.register().number();
        expected[1] |= u32::from(access.writes()) << used.register().number();
    }
    if expected != used {
        report(&format!("vector registers {}", difference(used, expected)));
    }
}

/// Which kind of difference, without register numbers.
fn difference(ours: [u32; 2], theirs: [u32; 2]) -> String {
    let mut text = String::new();
    for (what, ours, theirs) in [("read", ours[0], theirs[0]), ("written", ours[1], theirs[1])] {
        if ours & !theirs != 0 {
            text += &format!("{what} only by us; ");
        }
        if theirs & !ours != 0 {
            text += &format!("{what} only by iced; ");
        }
    }
    text
}
