//! linux/vt.h, linux/kd.h, linux/keyboard.h: virtual consoles, ioctl_console(2).

constants! {
    /// Requests about the console's display and keyboard.
    KD_IOCTLS: u32 {
        GIO_FONT = 0x4b60,
        PIO_FONT = 0x4b61,
        GIO_FONTX = 0x4b6b,
        PIO_FONTX = 0x4b6c,
        PIO_FONTRESET = 0x4b6d,
        GIO_CMAP = 0x4b70,
        PIO_CMAP = 0x4b71,
        KIOCSOUND = 0x4b2f,
        KDMKTONE = 0x4b30,
        KDGETLED = 0x4b31,
        KDSETLED = 0x4b32,
        KDGKBTYPE = 0x4b33,
        KDADDIO = 0x4b34,
        KDDELIO = 0x4b35,
        KDENABIO = 0x4b36,
        KDDISABIO = 0x4b37,
        KDSETMODE = 0x4b3a,
        KDGETMODE = 0x4b3b,
        KDMAPDISP = 0x4b3c,
        KDUNMAPDISP = 0x4b3d,
        GIO_SCRNMAP = 0x4b40,
        PIO_SCRNMAP = 0x4b41,
        GIO_UNISCRNMAP = 0x4b69,
        PIO_UNISCRNMAP = 0x4b6a,
        GIO_UNIMAP = 0x4b66,
        PIO_UNIMAP = 0x4b67,
        PIO_UNIMAPCLR = 0x4b68,
        KDGKBMODE = 0x4b44,
        KDSKBMODE = 0x4b45,
        KDGKBMETA = 0x4b62,
        KDSKBMETA = 0x4b63,
        KDGKBLED = 0x4b64,
        KDSKBLED = 0x4b65,
        KDGKBENT = 0x4b46,
        KDSKBENT = 0x4b47,
        KDGKBSENT = 0x4b48,
        KDSKBSENT = 0x4b49,
        KDGKBDIACR = 0x4b4a,
        KDSKBDIACR = 0x4b4b,
        KDGKBDIACRUC = 0x4bfa,
        KDSKBDIACRUC = 0x4bfb,
        KDGETKEYCODE = 0x4b4c,
        KDSETKEYCODE = 0x4b4d,
        KDSIGACCEPT = 0x4b4e,
        KDKBDREP = 0x4b52,
        KDFONTOP = 0x4b72,
    }

    /// KDSETMODE.
    KD_MODES: u32 {
        KD_TEXT = 0,
        KD_GRAPHICS = 1,
        KD_TEXT0 = 2,
        KD_TEXT1 = 3,
    }

    /// KDGKBTYPE.
    KB_TYPES: u8 {
        KB_84 = 1,
        KB_101 = 2,
        KB_OTHER = 3,
    }

    /// KDSKBMODE.
    KB_MODES: u32 {
        K_RAW = 0,
        K_XLATE = 1,
        K_MEDIUMRAW = 2,
        K_UNICODE = 3,
        K_OFF = 4,
    }

    /// KDSKBMETA.
    KB_META: u32 {
        K_METABIT = 3,
        K_ESCPREFIX = 4,
    }

    /// KDSETLED.
    KB_LEDS: u32 {
        LED_SCR = 1,
        LED_NUM = 2,
        LED_CAP = 4,
    }

    /// Requests about which console is shown.
    VT_IOCTLS: u32 {
        VT_OPENQRY = 0x5600,
        VT_GETMODE = 0x5601,
        VT_SETMODE = 0x5602,
        VT_GETSTATE = 0x5603,
        VT_SENDSIG = 0x5604,
        VT_RELDISP = 0x5605,
        VT_ACTIVATE = 0x5606,
        VT_WAITACTIVE = 0x5607,
        VT_DISALLOCATE = 0x5608,
        VT_RESIZE = 0x5609,
        VT_RESIZEX = 0x560a,
        VT_LOCKSWITCH = 0x560b,
        VT_UNLOCKSWITCH = 0x560c,
        VT_GETHIFONTMASK = 0x560d,
        VT_WAITEVENT = 0x560e,
        VT_SETACTIVATE = 0x560f,
    }

    /// `mode` of [`VtMode`], and the answer of VT_RELDISP.
    VT_MODES: u8 {
        VT_AUTO = 0,
        VT_PROCESS = 1,
        VT_ACKACQ = 2,
    }

    /// Limits on the number of consoles.
    VT_LIMITS: u32 {
        MIN_NR_CONSOLES = 1,
        MAX_NR_CONSOLES = 63,
    }
}

layouts! {
    /// VT_GETMODE, VT_SETMODE.
    any "struct vt_mode" VtMode {
        mode: u8,
        waitv: u8,
        relsig: i16,
        acqsig: i16,
        frsig: i16,
    }

    /// VT_GETSTATE.
    any "struct vt_stat" VtStat {
        v_active: u16,
        v_signal: u16,
        v_state: u16,
    }

    /// VT_RESIZE.
    any "struct vt_sizes" VtSizes {
        v_rows: u16,
        v_cols: u16,
        v_scrollsize: u16,
    }

    /// KDGKBENT, KDSKBENT.
    any "struct kbentry" Kbentry {
        kb_table: u8,
        kb_index: u8,
        kb_value: u16,
    }

    /// KDKBDREP.
    any "struct kbd_repeat" KbdRepeat {
        delay: i32,
        period: i32,
    }
}
