//! asm/sigcontext.h, asm/ucontext.h, asm/sigframe.h (kernel): what the kernel pushes to deliver a signal.
//!
//! i386 without SA_SIGINFO: [`SigframeI386`], returning by sigreturn(2). i386 with it: [`RtSigframeI386`].
//! x86-64 always: [`RtSigframeX86_64`]. The floating-point state stands above the frame, at a multiple of
//! 64, and `fpstate` of the machine context points to it. The stack pointer at the handler's first
//! instruction is congruent to 12 modulo 16 on i386 and to 8 modulo 16 on x86-64, as after a call; on
//! x86-64 the 128 bytes below the interrupted stack pointer stay untouched (the red zone).

use crate::signal::{SigaltstackI386, SigaltstackX86_64};

constants! {
    /// Marks in the software-reserved bytes of a saved floating-point state: a fuller (xsave) image follows.
    FP_MAGIC: u32 {
        FP_XSTATE_MAGIC1 = 0x4650_5853,
        FP_XSTATE_MAGIC2 = 0x4650_5845,
    }

    /// `magic` of [`FpstateI386`]: the fxsave image is there (0), or only the 108 bytes of fsave (0xffff).
    FPSTATE_MAGIC: u16 {
        X86_FXSR_MAGIC = 0x0,
    }
}
flags! {
    /// `uc_flags`.
    pub struct UcFlags: u32, "UC_" {
        FP_XSTATE = 0x1,
        /// x86-64: the frame saves SS.
        SIGCONTEXT_SS = 0x2,
        /// x86-64: sigreturn restores SS as it stands.
        STRICT_RESTORE_SS = 0x4,
    }
}

/// What stands in `retcode` of [`SigframeI386`]: `pop eax; mov eax, 119; int 0x80`. Only debuggers read it.
pub const RETCODE_I386: [u8; 8] = [0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80];

/// What stands in `retcode` of [`RtSigframeI386`]: `mov eax, 173; int 0x80`.
pub const RT_RETCODE_I386: [u8; 8] = [0xb8, 0xad, 0, 0, 0, 0xcd, 0x80, 0];

/// The bytes below the stack pointer that x86-64 code may use (System V ABI, 3.2.2).
pub const RED_ZONE_X86_64: u64 = 128;

layouts! {
    /// The software-reserved end of an fxsave image.
    any "struct _fpx_sw_bytes" FpxSwBytes {
        magic1: u32,
        extended_size: u32,
        xfeatures: u64,
        xstate_size: u32,
        padding: [u32; 7],
    }

    /// Floating-point state of i386: the image of fnsave, with `status` copied and `magic`, then that of fxsave.
    ///
    /// `fpstate` of [`SigcontextI386`] points here. SDM volume 1, figure 8-9 (FSAVE) and table 10-2 (FXSAVE).
    i386 "struct _fpstate_32" FpstateI386 {
        cw: u32,
        sw: u32,
        tag: u32,
        ipoff: u32,
        cssel: u32,
        dataoff: u32,
        datasel: u32,
        _st: [[u16; 5]; 8],
        status: u16,
        magic: u16,
        fxsave: FxsaveI386,
    }

    /// The image of fxsave outside 64-bit mode (SDM volume 1, table 10-2).
    i386 "" FxsaveI386 {
        cwd: u16,
        swd: u16,
        twd: u16,
        fop: u16,
        fip: u32,
        fcs: u32,
        foo: u32,
        fos: u32,
        mxcsr: u32,
        mxcsr_mask: u32,
        st_space: [u32; 32],
        xmm_space: [u32; 32],
        padding: [u32; 44],
        sw_reserved: FpxSwBytes,
    }

    /// Floating-point state of x86-64, the image of fxsave64 (SDM volume 1, table 10-2).
    x86_64 "struct _fpstate_64" FpstateX86_64 {
        cwd: u16,
        swd: u16,
        twd: u16,
        fop: u16,
        rip: u64,
        rdp: u64,
        mxcsr: u32,
        mxcsr_mask: u32,
        st_space: [u32; 32],
        xmm_space: [u32; 64],
        reserved2: [u32; 12],
        sw_reserved: FpxSwBytes,
    }

    /// What stands behind the fxsave image in that of xsave: which components it holds (SDM volume 1, 13.4.2).
    /// `reserved1[0]` is XCOMP_BV.
    any "struct _header" XstateHeader {
        xfeatures: u64,
        reserved1: [u64; 2],
        reserved2: [u64; 5],
    }

    /// The component of AVX: the upper halves of the YMM registers. [`FP_MAGIC`]'s second word stands behind the last
    /// component.
    any "struct _ymmh_state" YmmhState {
        ymmh_space: [u32; 64],
    }

    /// Saved registers of i386. `esp` is for pusha's sake; `esp_at_signal` equals it.
    i386 "struct sigcontext" SigcontextI386 {
        gs: u16,
        __gsh: u16,
        fs: u16,
        __fsh: u16,
        es: u16,
        __esh: u16,
        ds: u16,
        __dsh: u16,
        edi: u32,
        esi: u32,
        ebp: u32,
        esp: u32,
        ebx: u32,
        edx: u32,
        ecx: u32,
        eax: u32,
        trapno: u32,
        err: u32,
        eip: u32,
        cs: u16,
        __csh: u16,
        eflags: u32,
        esp_at_signal: u32,
        ss: u16,
        __ssh: u16,
        fpstate: u32,
        oldmask: u32,
        cr2: u32,
    }

    /// Saved registers of x86-64.
    x86_64 "struct sigcontext" SigcontextX86_64 {
        r8: u64,
        r9: u64,
        r10: u64,
        r11: u64,
        r12: u64,
        r13: u64,
        r14: u64,
        r15: u64,
        rdi: u64,
        rsi: u64,
        rbp: u64,
        rbx: u64,
        rdx: u64,
        rax: u64,
        rcx: u64,
        rsp: u64,
        rip: u64,
        eflags: u64,
        cs: u16,
        gs: u16,
        fs: u16,
        ss: u16,
        err: u64,
        trapno: u64,
        oldmask: u64,
        cr2: u64,
        fpstate: u64,
        reserved1: [u64; 8],
    }
}

layouts! {
    /// `ucontext_t` of i386. The public header has a mask of 4 bytes, the kernel writes 8.
    i386 "struct ucontext" UcontextI386 {
        uc_flags: u32,
        uc_link: u32,
        uc_stack: SigaltstackI386,
        uc_mcontext: SigcontextI386,
        uc_sigmask: u64,
    }

    /// `ucontext_t` of x86-64.
    x86_64 "struct ucontext" UcontextX86_64 {
        uc_flags: u64,
        uc_link: u64,
        uc_stack: SigaltstackX86_64,
        uc_mcontext: SigcontextX86_64,
        uc_sigmask: u64,
    }

    /// i386 frame of a handler without SA_SIGINFO. `extramask` is the upper half of the saved signal mask.
    i386 "" SigframeI386 {
        pretcode: u32,
        sig: i32,
        sc: SigcontextI386,
        fpstate_unused: FpstateI386,
        extramask: u32,
        retcode: [u8; 8],
    }

    /// i386 frame of a handler with SA_SIGINFO.
    i386 "" RtSigframeI386 {
        pretcode: u32,
        sig: i32,
        pinfo: u32,
        puc: u32,
        info: [u8; 128],
        uc: UcontextI386,
        retcode: [u8; 8],
    }

    /// x86-64 frame.
    x86_64 "" RtSigframeX86_64 {
        pretcode: u64,
        uc: UcontextX86_64,
        info: [u8; 128],
    }
}
