//! Instruction names: one variant per mnemonic of the SDM.

/// Declares [`Op`] and its names together, so that neither can miss one.
macro_rules! ops {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// An instruction by its SDM mnemonic.
        ///
        /// Condition codes use the SDM's first spelling (`Je`, `Cmovb`, `Setae`). String instructions are one variant
        /// for all widths, so `Movsd` and `Cmpsd` always are the SSE2 instructions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Op {
            $($(#[$doc])* $variant,)*
        }

        impl Op {
            /// Every instruction, in declaration order: `Op::ALL[op as usize] == op`.
            pub const ALL: &[Op] = &[$(Op::$variant,)*];

            /// Lower-case mnemonic; far transfers carry `far`, string instructions no width.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Op::$variant => $name,)*
                }
            }
        }
    };
}

#[rustfmt::skip] // A family a line.
ops! {
    // Data movement, SDM vol. 1 §5.1.1 and §7.3.1.
    Mov "mov", Xchg "xchg", Bswap "bswap", Xadd "xadd", Cmpxchg "cmpxchg", Cmpxchg8b "cmpxchg8b",
    Cmpxchg16b "cmpxchg16b", Push "push", Pop "pop", Pusha "pusha", Popa "popa", Cbw "cbw", Cwde "cwde", Cdqe "cdqe",
    Cwd "cwd", Cdq "cdq", Cqo "cqo", Movsx "movsx", Movsxd "movsxd", Movzx "movzx", Lea "lea", Xlat "xlat", Nop "nop",
    Pause "pause", Cmovo "cmovo", Cmovno "cmovno", Cmovb "cmovb", Cmovae "cmovae", Cmove "cmove", Cmovne "cmovne",
    Cmovbe "cmovbe", Cmova "cmova", Cmovs "cmovs", Cmovns "cmovns", Cmovp "cmovp", Cmovnp "cmovnp", Cmovl "cmovl",
    Cmovge "cmovge", Cmovle "cmovle", Cmovg "cmovg",

    // Integer arithmetic, SDM vol. 1 §5.1.2 and §5.1.3.
    Add "add", Adc "adc", Sub "sub", Sbb "sbb", Inc "inc", Dec "dec", Neg "neg", Cmp "cmp", Mul "mul", Imul "imul",
    Div "div", Idiv "idiv", Daa "daa", Das "das", Aaa "aaa", Aas "aas", Aam "aam", Aad "aad",

    // Logic, shifts, bits and bytes, SDM vol. 1 §5.1.4 to §5.1.6.
    And "and", Or "or", Xor "xor", Not "not", Test "test", Shl "shl", Shr "shr", Sar "sar", Rol "rol", Ror "ror",
    Rcl "rcl", Rcr "rcr", Shld "shld", Shrd "shrd", Bt "bt", Bts "bts", Btr "btr", Btc "btc", Bsf "bsf", Bsr "bsr",
    Seto "seto", Setno "setno", Setb "setb", Setae "setae", Sete "sete", Setne "setne", Setbe "setbe", Seta "seta",
    Sets "sets", Setns "setns", Setp "setp", Setnp "setnp", Setl "setl", Setge "setge", Setle "setle", Setg "setg",

    // Control transfer, SDM vol. 1 §5.1.7.
    Jmp "jmp", JmpFar "jmp far", Call "call", CallFar "call far", Ret "ret", Retf "retf", Jcxz "jcxz", Loop "loop",
    Loope "loope", Loopne "loopne", Int "int", Int1 "int1", Int3 "int3", Into "into", Iret "iret", Bound "bound",
    Enter "enter", Leave "leave", Jo "jo", Jno "jno", Jb "jb", Jae "jae", Je "je", Jne "jne", Jbe "jbe", Ja "ja",
    Js "js", Jns "jns", Jp "jp", Jnp "jnp", Jl "jl", Jge "jge", Jle "jle", Jg "jg",

    // Strings and ports, SDM vol. 1 §5.1.8 and §5.1.9. `Insn::width` gives the element size.
    Movs "movs", Cmps "cmps", Stos "stos", Lods "lods", Scas "scas", Ins "ins", Outs "outs", In "in", Out "out",

    // Flags, segments and the rest of the integer set, SDM vol. 1 §5.1.11 to §5.1.13.
    Stc "stc", Clc "clc", Cmc "cmc", Std "std", Cld "cld", Sti "sti", Cli "cli", Lahf "lahf", Sahf "sahf",
    Pushf "pushf", Popf "popf", Salc "salc", Lds "lds", Les "les", Lss "lss", Lfs "lfs", Lgs "lgs", Cpuid "cpuid",
    Rdtsc "rdtsc", Rdtscp "rdtscp", Ud0 "ud0", Ud1 "ud1", Ud2 "ud2", Endbr32 "endbr32", Endbr64 "endbr64",
    Prefetchnta "prefetchnta", Prefetcht0 "prefetcht0", Prefetcht1 "prefetcht1", Prefetcht2 "prefetcht2",
    Prefetchw "prefetchw", Prefetch "prefetch",

    // System instructions, SDM vol. 1 §5.20.
    Syscall "syscall", Sysret "sysret", Sysenter "sysenter", Sysexit "sysexit", Lgdt "lgdt", Sgdt "sgdt", Lidt "lidt",
    Sidt "sidt", Lldt "lldt", Sldt "sldt", Ltr "ltr", Str "str", Lmsw "lmsw", Smsw "smsw", Clts "clts", Arpl "arpl",
    Lar "lar", Lsl "lsl", Verr "verr", Verw "verw", Invd "invd", Wbinvd "wbinvd", Invlpg "invlpg", Hlt "hlt",
    Rsm "rsm", Rdmsr "rdmsr", Wrmsr "wrmsr", Rdpmc "rdpmc", Swapgs "swapgs", Monitor "monitor", Mwait "mwait",

    // x87, SDM vol. 1 §5.2.
    Fadd "fadd", Faddp "faddp", Fiadd "fiadd", Fsub "fsub", Fsubp "fsubp", Fisub "fisub", Fsubr "fsubr",
    Fsubrp "fsubrp", Fisubr "fisubr", Fmul "fmul", Fmulp "fmulp", Fimul "fimul", Fdiv "fdiv", Fdivp "fdivp",
    Fidiv "fidiv", Fdivr "fdivr", Fdivrp "fdivrp", Fidivr "fidivr", Fld "fld", Fst "fst", Fstp "fstp", Fild "fild",
    Fist "fist", Fistp "fistp", Fisttp "fisttp", Fbld "fbld", Fbstp "fbstp", Fxch "fxch", Fcmovb "fcmovb",
    Fcmove "fcmove", Fcmovbe "fcmovbe", Fcmovu "fcmovu", Fcmovnb "fcmovnb", Fcmovne "fcmovne", Fcmovnbe "fcmovnbe",
    Fcmovnu "fcmovnu", Fcom "fcom", Fcomp "fcomp", Fcompp "fcompp", Fucom "fucom", Fucomp "fucomp", Fucompp "fucompp",
    Ficom "ficom", Ficomp "ficomp", Fcomi "fcomi", Fcomip "fcomip", Fucomi "fucomi", Fucomip "fucomip", Ftst "ftst",
    Fxam "fxam", Fchs "fchs", Fabs "fabs", Fld1 "fld1", Fldl2t "fldl2t", Fldl2e "fldl2e", Fldpi "fldpi",
    Fldlg2 "fldlg2", Fldln2 "fldln2", Fldz "fldz", Fninit "fninit", Fnclex "fnclex", Fnstcw "fnstcw", Fldcw "fldcw",
    Fnstsw "fnstsw", Fnstenv "fnstenv", Fldenv "fldenv", Fnsave "fnsave", Frstor "frstor", Fnop "fnop", Fwait "fwait",
    Ffree "ffree", Ffreep "ffreep", Fincstp "fincstp", Fdecstp "fdecstp", Frndint "frndint", Fscale "fscale",
    Fsqrt "fsqrt", Fsin "fsin", Fcos "fcos", Fsincos "fsincos", Fptan "fptan", Fpatan "fpatan", F2xm1 "f2xm1",
    Fyl2x "fyl2x", Fyl2xp1 "fyl2xp1", Fprem "fprem", Fprem1 "fprem1", Fxtract "fxtract", Fxsave "fxsave",
    Fxrstor "fxrstor",

    // MMX and the integer instructions of SSE and SSE2, SDM vol. 1 §5.4, §5.5.4 and §5.6.3.
    Movd "movd", Movq "movq", Movq2dq "movq2dq", Movdq2q "movdq2q", Movdqa "movdqa", Movdqu "movdqu", Lddqu "lddqu",
    Packsswb "packsswb", Packssdw "packssdw", Packuswb "packuswb", Punpcklbw "punpcklbw", Punpcklwd "punpcklwd",
    Punpckldq "punpckldq", Punpcklqdq "punpcklqdq", Punpckhbw "punpckhbw", Punpckhwd "punpckhwd",
    Punpckhdq "punpckhdq", Punpckhqdq "punpckhqdq", Paddb "paddb", Paddw "paddw", Paddd "paddd", Paddq "paddq",
    Paddsb "paddsb", Paddsw "paddsw", Paddusb "paddusb", Paddusw "paddusw", Psubb "psubb", Psubw "psubw",
    Psubd "psubd", Psubq "psubq", Psubsb "psubsb", Psubsw "psubsw", Psubusb "psubusb", Psubusw "psubusw",
    Pmulhw "pmulhw", Pmulhuw "pmulhuw", Pmullw "pmullw", Pmuludq "pmuludq", Pmaddwd "pmaddwd", Pcmpeqb "pcmpeqb",
    Pcmpeqw "pcmpeqw", Pcmpeqd "pcmpeqd", Pcmpgtb "pcmpgtb", Pcmpgtw "pcmpgtw", Pcmpgtd "pcmpgtd", Pand "pand",
    Pandn "pandn", Por "por", Pxor "pxor", Psllw "psllw", Pslld "pslld", Psllq "psllq", Pslldq "pslldq",
    Psrlw "psrlw", Psrld "psrld", Psrlq "psrlq", Psrldq "psrldq", Psraw "psraw", Psrad "psrad", Pavgb "pavgb",
    Pavgw "pavgw", Pextrw "pextrw", Pinsrw "pinsrw", Pmaxub "pmaxub", Pmaxsw "pmaxsw", Pminub "pminub",
    Pminsw "pminsw", Pmovmskb "pmovmskb", Psadbw "psadbw", Pshufw "pshufw", Pshufd "pshufd", Pshuflw "pshuflw",
    Pshufhw "pshufhw", Emms "emms",

    // SSE and SSE2 floating point, SDM vol. 1 §5.5 and §5.6; SSE3, §5.7.
    Movaps "movaps", Movapd "movapd", Movups "movups", Movupd "movupd", Movss "movss", Movsd "movsd", Movlps "movlps",
    Movlpd "movlpd", Movhps "movhps", Movhpd "movhpd", Movlhps "movlhps", Movhlps "movhlps", Movmskps "movmskps",
    Movmskpd "movmskpd", Movsldup "movsldup", Movshdup "movshdup", Movddup "movddup", Addps "addps", Addpd "addpd",
    Addss "addss", Addsd "addsd", Subps "subps", Subpd "subpd", Subss "subss", Subsd "subsd", Mulps "mulps",
    Mulpd "mulpd", Mulss "mulss", Mulsd "mulsd", Divps "divps", Divpd "divpd", Divss "divss", Divsd "divsd",
    Sqrtps "sqrtps", Sqrtpd "sqrtpd", Sqrtss "sqrtss", Sqrtsd "sqrtsd", Rsqrtps "rsqrtps", Rsqrtss "rsqrtss",
    Rcpps "rcpps", Rcpss "rcpss", Maxps "maxps", Maxpd "maxpd", Maxss "maxss", Maxsd "maxsd", Minps "minps",
    Minpd "minpd", Minss "minss", Minsd "minsd", Addsubps "addsubps", Addsubpd "addsubpd", Haddps "haddps",
    Haddpd "haddpd", Hsubps "hsubps", Hsubpd "hsubpd", Andps "andps", Andpd "andpd", Andnps "andnps", Andnpd "andnpd",
    Orps "orps", Orpd "orpd", Xorps "xorps", Xorpd "xorpd", Cmpps "cmpps", Cmppd "cmppd", Cmpss "cmpss",
    Cmpsd "cmpsd", Comiss "comiss", Comisd "comisd", Ucomiss "ucomiss", Ucomisd "ucomisd", Shufps "shufps",
    Shufpd "shufpd", Unpckhps "unpckhps", Unpckhpd "unpckhpd", Unpcklps "unpcklps", Unpcklpd "unpcklpd",
    Cvtpi2ps "cvtpi2ps", Cvtpi2pd "cvtpi2pd", Cvtps2pi "cvtps2pi", Cvtpd2pi "cvtpd2pi", Cvttps2pi "cvttps2pi",
    Cvttpd2pi "cvttpd2pi", Cvtsi2ss "cvtsi2ss", Cvtsi2sd "cvtsi2sd", Cvtss2si "cvtss2si", Cvtsd2si "cvtsd2si",
    Cvttss2si "cvttss2si", Cvttsd2si "cvttsd2si", Cvtps2pd "cvtps2pd", Cvtpd2ps "cvtpd2ps", Cvtss2sd "cvtss2sd",
    Cvtsd2ss "cvtsd2ss", Cvtdq2ps "cvtdq2ps", Cvtdq2pd "cvtdq2pd", Cvtps2dq "cvtps2dq", Cvtpd2dq "cvtpd2dq",
    Cvttps2dq "cvttps2dq", Cvttpd2dq "cvttpd2dq",

    // Cache control, ordering and the SSE control word, SDM vol. 1 §5.5.3, §5.5.5 and §5.6.4.
    Ldmxcsr "ldmxcsr", Stmxcsr "stmxcsr", Maskmovq "maskmovq", Maskmovdqu "maskmovdqu", Movntps "movntps",
    Movntpd "movntpd", Movntdq "movntdq", Movntq "movntq", Movnti "movnti", Clflush "clflush", Lfence "lfence",
    Mfence "mfence", Sfence "sfence",
}
