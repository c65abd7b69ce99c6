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

    // Bit counts and bit manipulation, byte order, CRC-32, carry chains, SDM vol. 1 §5.1.16 and §5.12.3.
    Andn "andn", Blsr "blsr", Blsmsk "blsmsk", Blsi "blsi", Bextr "bextr", Bzhi "bzhi", Pext "pext", Pdep "pdep",
    Mulx "mulx", Shlx "shlx", Sarx "sarx", Shrx "shrx", Rorx "rorx", Movbe "movbe", Crc32 "crc32", Adcx "adcx",
    Adox "adox", Popcnt "popcnt", Lzcnt "lzcnt", Tzcnt "tzcnt",

    // Random numbers, segment bases, extended state, cache lines, waiting, SDM vol. 1 §5.1.13 to §5.1.17 and §5.20.
    Rdrand "rdrand", Rdseed "rdseed", Rdpid "rdpid", Rdfsbase "rdfsbase", Rdgsbase "rdgsbase", Wrfsbase "wrfsbase",
    Wrgsbase "wrgsbase", Xgetbv "xgetbv", Xsetbv "xsetbv", Xsave "xsave", Xsaveopt "xsaveopt", Xsavec "xsavec",
    Xsaves "xsaves", Xrstor "xrstor", Xrstors "xrstors", Clflushopt "clflushopt", Clwb "clwb", Umonitor "umonitor",
    Umwait "umwait", Tpause "tpause",

    // SSSE3, SDM vol. 1 §5.8.
    Pshufb "pshufb", Phaddw "phaddw", Phaddd "phaddd", Phaddsw "phaddsw", Pmaddubsw "pmaddubsw", Phsubw "phsubw",
    Phsubd "phsubd", Phsubsw "phsubsw", Psignb "psignb", Psignw "psignw", Psignd "psignd", Pmulhrsw "pmulhrsw",
    Pabsb "pabsb", Pabsw "pabsw", Pabsd "pabsd", Palignr "palignr",

    // SSE4.1 and SSE4.2, SDM vol. 1 §5.10 and §5.11.
    Pblendvb "pblendvb", Blendvps "blendvps", Blendvpd "blendvpd", Ptest "ptest", Pmovsxbw "pmovsxbw",
    Pmovsxbd "pmovsxbd", Pmovsxbq "pmovsxbq", Pmovsxwd "pmovsxwd", Pmovsxwq "pmovsxwq", Pmovsxdq "pmovsxdq",
    Pmuldq "pmuldq", Pcmpeqq "pcmpeqq", Movntdqa "movntdqa", Packusdw "packusdw", Pmovzxbw "pmovzxbw",
    Pmovzxbd "pmovzxbd", Pmovzxbq "pmovzxbq", Pmovzxwd "pmovzxwd", Pmovzxwq "pmovzxwq", Pmovzxdq "pmovzxdq",
    Pcmpgtq "pcmpgtq", Pminsb "pminsb", Pminsd "pminsd", Pminuw "pminuw", Pminud "pminud", Pmaxsb "pmaxsb",
    Pmaxsd "pmaxsd", Pmaxuw "pmaxuw", Pmaxud "pmaxud", Pmulld "pmulld", Phminposuw "phminposuw", Roundps "roundps",
    Roundpd "roundpd", Roundss "roundss", Roundsd "roundsd", Blendps "blendps", Blendpd "blendpd", Pblendw "pblendw",
    Pextrb "pextrb", Pextrd "pextrd", Pextrq "pextrq", Extractps "extractps", Pinsrb "pinsrb", Insertps "insertps",
    Pinsrd "pinsrd", Pinsrq "pinsrq", Dpps "dpps", Dppd "dppd", Mpsadbw "mpsadbw", Pcmpestrm "pcmpestrm",
    Pcmpestri "pcmpestri", Pcmpistrm "pcmpistrm", Pcmpistri "pcmpistri",

    // AES, carry-less multiplication, SHA, Galois field, SDM vol. 1 §5.12 and §5.18.
    Aesimc "aesimc", Aesenc "aesenc", Aesenclast "aesenclast", Aesdec "aesdec", Aesdeclast "aesdeclast",
    Aeskeygenassist "aeskeygenassist", Pclmulqdq "pclmulqdq", Sha1nexte "sha1nexte", Sha1msg1 "sha1msg1",
    Sha1msg2 "sha1msg2", Sha256rnds2 "sha256rnds2", Sha256msg1 "sha256msg1", Sha256msg2 "sha256msg2",
    Sha1rnds4 "sha1rnds4", Gf2p8mulb "gf2p8mulb", Gf2p8affineqb "gf2p8affineqb", Gf2p8affineinvqb "gf2p8affineinvqb",

    // AVX and F16C floating point, SDM vol. 1 §5.13 and §5.14.
    Vmovups "vmovups", Vmovupd "vmovupd", Vmovss "vmovss", Vmovsd "vmovsd", Vmovlps "vmovlps", Vmovlpd "vmovlpd",
    Vmovhlps "vmovhlps", Vmovhps "vmovhps", Vmovhpd "vmovhpd", Vmovlhps "vmovlhps", Vmovsldup "vmovsldup",
    Vmovddup "vmovddup", Vmovshdup "vmovshdup", Vmovaps "vmovaps", Vmovntps "vmovntps", Vmovmskps "vmovmskps",
    Vmovapd "vmovapd", Vmovntpd "vmovntpd", Vmovmskpd "vmovmskpd", Vunpcklps "vunpcklps", Vunpckhps "vunpckhps",
    Vshufps "vshufps", Vcmpps "vcmpps", Vunpcklpd "vunpcklpd", Vunpckhpd "vunpckhpd", Vshufpd "vshufpd",
    Vcmppd "vcmppd", Vcmpss "vcmpss", Vcmpsd "vcmpsd", Vsqrtps "vsqrtps", Vsqrtpd "vsqrtpd", Vsqrtss "vsqrtss",
    Vsqrtsd "vsqrtsd", Vaddps "vaddps", Vaddpd "vaddpd", Vaddss "vaddss", Vaddsd "vaddsd", Vmulps "vmulps",
    Vmulpd "vmulpd", Vmulss "vmulss", Vmulsd "vmulsd", Vsubps "vsubps", Vsubpd "vsubpd", Vsubss "vsubss",
    Vsubsd "vsubsd", Vminps "vminps", Vminpd "vminpd", Vminss "vminss", Vminsd "vminsd", Vdivps "vdivps",
    Vdivpd "vdivpd", Vdivss "vdivss", Vdivsd "vdivsd", Vmaxps "vmaxps", Vmaxpd "vmaxpd", Vmaxss "vmaxss",
    Vmaxsd "vmaxsd", Vrsqrtps "vrsqrtps", Vrsqrtss "vrsqrtss", Vrcpps "vrcpps", Vrcpss "vrcpss", Vandps "vandps",
    Vandpd "vandpd", Vandnps "vandnps", Vandnpd "vandnpd", Vorps "vorps", Vorpd "vorpd", Vxorps "vxorps",
    Vxorpd "vxorpd", Vhaddpd "vhaddpd", Vhaddps "vhaddps", Vhsubpd "vhsubpd", Vhsubps "vhsubps",
    Vaddsubpd "vaddsubpd", Vaddsubps "vaddsubps", Vucomiss "vucomiss", Vucomisd "vucomisd", Vcomiss "vcomiss",
    Vcomisd "vcomisd", Vroundps "vroundps", Vroundpd "vroundpd", Vroundss "vroundss", Vroundsd "vroundsd",
    Vblendps "vblendps", Vblendpd "vblendpd", Vdpps "vdpps", Vdppd "vdppd", Vblendvps "vblendvps",
    Vblendvpd "vblendvpd", Vcvtsi2ss "vcvtsi2ss", Vcvtsi2sd "vcvtsi2sd", Vcvttss2si "vcvttss2si",
    Vcvttsd2si "vcvttsd2si", Vcvtss2si "vcvtss2si", Vcvtsd2si "vcvtsd2si", Vcvtps2pd "vcvtps2pd",
    Vcvtpd2ps "vcvtpd2ps", Vcvtss2sd "vcvtss2sd", Vcvtsd2ss "vcvtsd2ss", Vcvtdq2ps "vcvtdq2ps", Vcvtps2dq "vcvtps2dq",
    Vcvttps2dq "vcvttps2dq", Vcvttpd2dq "vcvttpd2dq", Vcvtdq2pd "vcvtdq2pd", Vcvtpd2dq "vcvtpd2dq",
    Vcvtph2ps "vcvtph2ps", Vcvtps2ph "vcvtps2ph", Vldmxcsr "vldmxcsr", Vstmxcsr "vstmxcsr", Vzeroupper "vzeroupper",
    Vzeroall "vzeroall", Vpermilps "vpermilps", Vpermilpd "vpermilpd", Vtestps "vtestps", Vtestpd "vtestpd",
    Vbroadcastss "vbroadcastss", Vbroadcastsd "vbroadcastsd", Vbroadcastf128 "vbroadcastf128",
    Vmaskmovps "vmaskmovps", Vmaskmovpd "vmaskmovpd", Vperm2f128 "vperm2f128", Vinsertf128 "vinsertf128",
    Vextractf128 "vextractf128", Vextractps "vextractps", Vinsertps "vinsertps", Vpermps "vpermps", Vpermpd "vpermpd",

    // FMA, SDM vol. 1 §5.15.
    Vfmaddsub132ps "vfmaddsub132ps", Vfmaddsub132pd "vfmaddsub132pd", Vfmsubadd132ps "vfmsubadd132ps",
    Vfmsubadd132pd "vfmsubadd132pd", Vfmadd132ps "vfmadd132ps", Vfmadd132pd "vfmadd132pd", Vfmadd132ss "vfmadd132ss",
    Vfmadd132sd "vfmadd132sd", Vfmsub132ps "vfmsub132ps", Vfmsub132pd "vfmsub132pd", Vfmsub132ss "vfmsub132ss",
    Vfmsub132sd "vfmsub132sd", Vfnmadd132ps "vfnmadd132ps", Vfnmadd132pd "vfnmadd132pd", Vfnmadd132ss "vfnmadd132ss",
    Vfnmadd132sd "vfnmadd132sd", Vfnmsub132ps "vfnmsub132ps", Vfnmsub132pd "vfnmsub132pd",
    Vfnmsub132ss "vfnmsub132ss", Vfnmsub132sd "vfnmsub132sd", Vfmaddsub213ps "vfmaddsub213ps",
    Vfmaddsub213pd "vfmaddsub213pd", Vfmsubadd213ps "vfmsubadd213ps", Vfmsubadd213pd "vfmsubadd213pd",
    Vfmadd213ps "vfmadd213ps", Vfmadd213pd "vfmadd213pd", Vfmadd213ss "vfmadd213ss", Vfmadd213sd "vfmadd213sd",
    Vfmsub213ps "vfmsub213ps", Vfmsub213pd "vfmsub213pd", Vfmsub213ss "vfmsub213ss", Vfmsub213sd "vfmsub213sd",
    Vfnmadd213ps "vfnmadd213ps", Vfnmadd213pd "vfnmadd213pd", Vfnmadd213ss "vfnmadd213ss",
    Vfnmadd213sd "vfnmadd213sd", Vfnmsub213ps "vfnmsub213ps", Vfnmsub213pd "vfnmsub213pd",
    Vfnmsub213ss "vfnmsub213ss", Vfnmsub213sd "vfnmsub213sd", Vfmaddsub231ps "vfmaddsub231ps",
    Vfmaddsub231pd "vfmaddsub231pd", Vfmsubadd231ps "vfmsubadd231ps", Vfmsubadd231pd "vfmsubadd231pd",
    Vfmadd231ps "vfmadd231ps", Vfmadd231pd "vfmadd231pd", Vfmadd231ss "vfmadd231ss", Vfmadd231sd "vfmadd231sd",
    Vfmsub231ps "vfmsub231ps", Vfmsub231pd "vfmsub231pd", Vfmsub231ss "vfmsub231ss", Vfmsub231sd "vfmsub231sd",
    Vfnmadd231ps "vfnmadd231ps", Vfnmadd231pd "vfnmadd231pd", Vfnmadd231ss "vfnmadd231ss",
    Vfnmadd231sd "vfnmadd231sd", Vfnmsub231ps "vfnmsub231ps", Vfnmsub231pd "vfnmsub231pd",
    Vfnmsub231ss "vfnmsub231ss", Vfnmsub231sd "vfnmsub231sd",

    // AVX and AVX2 integer and data movement, SDM vol. 1 §5.13 and §5.16.
    Vpunpcklbw "vpunpcklbw", Vpunpcklwd "vpunpcklwd", Vpunpckldq "vpunpckldq", Vpacksswb "vpacksswb",
    Vpcmpgtb "vpcmpgtb", Vpcmpgtw "vpcmpgtw", Vpcmpgtd "vpcmpgtd", Vpackuswb "vpackuswb", Vpunpckhbw "vpunpckhbw",
    Vpunpckhwd "vpunpckhwd", Vpunpckhdq "vpunpckhdq", Vpackssdw "vpackssdw", Vpunpcklqdq "vpunpcklqdq",
    Vpunpckhqdq "vpunpckhqdq", Vpcmpeqb "vpcmpeqb", Vpcmpeqw "vpcmpeqw", Vpcmpeqd "vpcmpeqd", Vpaddq "vpaddq",
    Vpmullw "vpmullw", Vpsubusb "vpsubusb", Vpsubusw "vpsubusw", Vpminub "vpminub", Vpand "vpand",
    Vpaddusb "vpaddusb", Vpaddusw "vpaddusw", Vpmaxub "vpmaxub", Vpandn "vpandn", Vpavgb "vpavgb", Vpavgw "vpavgw",
    Vpmulhuw "vpmulhuw", Vpmulhw "vpmulhw", Vpsubsb "vpsubsb", Vpsubsw "vpsubsw", Vpminsw "vpminsw", Vpor "vpor",
    Vpaddsb "vpaddsb", Vpaddsw "vpaddsw", Vpmaxsw "vpmaxsw", Vpxor "vpxor", Vpmuludq "vpmuludq", Vpmaddwd "vpmaddwd",
    Vpsadbw "vpsadbw", Vpsubb "vpsubb", Vpsubw "vpsubw", Vpsubd "vpsubd", Vpsubq "vpsubq", Vpaddb "vpaddb",
    Vpaddw "vpaddw", Vpaddd "vpaddd", Vpsrlw "vpsrlw", Vpsrld "vpsrld", Vpsrlq "vpsrlq", Vpsraw "vpsraw",
    Vpsrad "vpsrad", Vpsllw "vpsllw", Vpslld "vpslld", Vpsllq "vpsllq", Vpsrldq "vpsrldq", Vpslldq "vpslldq",
    Vpshufb "vpshufb", Vphaddw "vphaddw", Vphaddd "vphaddd", Vphaddsw "vphaddsw", Vpmaddubsw "vpmaddubsw",
    Vphsubw "vphsubw", Vphsubd "vphsubd", Vphsubsw "vphsubsw", Vpsignb "vpsignb", Vpsignw "vpsignw",
    Vpsignd "vpsignd", Vpmulhrsw "vpmulhrsw", Vpmuldq "vpmuldq", Vpcmpeqq "vpcmpeqq", Vpackusdw "vpackusdw",
    Vpcmpgtq "vpcmpgtq", Vpminsb "vpminsb", Vpminsd "vpminsd", Vpminuw "vpminuw", Vpminud "vpminud",
    Vpmaxsb "vpmaxsb", Vpmaxsd "vpmaxsd", Vpmaxuw "vpmaxuw", Vpmaxud "vpmaxud", Vpmulld "vpmulld", Vpabsb "vpabsb",
    Vpabsw "vpabsw", Vpabsd "vpabsd", Vphminposuw "vphminposuw", Vptest "vptest", Vpmovsxbw "vpmovsxbw",
    Vpmovsxbd "vpmovsxbd", Vpmovsxbq "vpmovsxbq", Vpmovsxwd "vpmovsxwd", Vpmovsxwq "vpmovsxwq", Vpmovsxdq "vpmovsxdq",
    Vpmovzxbw "vpmovzxbw", Vpmovzxbd "vpmovzxbd", Vpmovzxbq "vpmovzxbq", Vpmovzxwd "vpmovzxwd", Vpmovzxwq "vpmovzxwq",
    Vpmovzxdq "vpmovzxdq", Vmovntdqa "vmovntdqa", Vpalignr "vpalignr", Vpblendw "vpblendw", Vmpsadbw "vmpsadbw",
    Vpblendvb "vpblendvb", Vmovq "vmovq", Vmovd "vmovd", Vmovdqa "vmovdqa", Vmovdqu "vmovdqu", Vpshufd "vpshufd",
    Vpshufhw "vpshufhw", Vpshuflw "vpshuflw", Vmovntdq "vmovntdq", Vlddqu "vlddqu", Vpmovmskb "vpmovmskb",
    Vmaskmovdqu "vmaskmovdqu", Vpinsrw "vpinsrw", Vpextrw "vpextrw", Vpextrb "vpextrb", Vpextrq "vpextrq",
    Vpextrd "vpextrd", Vpinsrb "vpinsrb", Vpinsrq "vpinsrq", Vpinsrd "vpinsrd", Vpcmpestrm "vpcmpestrm",
    Vpcmpestri "vpcmpestri", Vpcmpistrm "vpcmpistrm", Vpcmpistri "vpcmpistri", Vaesimc "vaesimc", Vaesenc "vaesenc",
    Vaesenclast "vaesenclast", Vaesdec "vaesdec", Vaesdeclast "vaesdeclast", Vaeskeygenassist "vaeskeygenassist",
    Vpclmulqdq "vpclmulqdq", Vgf2p8mulb "vgf2p8mulb", Vgf2p8affineqb "vgf2p8affineqb",
    Vgf2p8affineinvqb "vgf2p8affineinvqb", Vpermd "vpermd", Vpermq "vpermq", Vpblendd "vpblendd", Vpsrlvd "vpsrlvd",
    Vpsrlvq "vpsrlvq", Vpsravd "vpsravd", Vpsllvd "vpsllvd", Vpsllvq "vpsllvq", Vpbroadcastd "vpbroadcastd",
    Vpbroadcastq "vpbroadcastq", Vbroadcasti128 "vbroadcasti128", Vpbroadcastb "vpbroadcastb",
    Vpbroadcastw "vpbroadcastw", Vpmaskmovd "vpmaskmovd", Vpmaskmovq "vpmaskmovq", Vperm2i128 "vperm2i128",
    Vinserti128 "vinserti128", Vextracti128 "vextracti128", Vpgatherdd "vpgatherdd", Vpgatherdq "vpgatherdq",
    Vpgatherqd "vpgatherqd", Vpgatherqq "vpgatherqq", Vgatherdps "vgatherdps", Vgatherdpd "vgatherdpd",
    Vgatherqps "vgatherqps", Vgatherqpd "vgatherqpd",
}
