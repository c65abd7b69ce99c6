//! How structures, flags and constants are written down in this crate.
//!
//! Three macros keep every fact on one line that looks like the header's, and make it possible to compare
//! all of them with a C compiler's opinion (`tests/layout.rs`) without listing them again:
//!
//! * `layouts!` makes the structures and implements [`Layout`];
//! * `flags!` makes a `bitflags` type that keeps bits it does not know;
//! * `constants!` makes plain constants and a table of their names, which traces can use too.

use crate::Arch;

/// A structure of the system-call interface, and where its fields are.
pub trait Layout: bytemuck::Pod {
    /// The type's name in C; empty if no public header has it.
    const C_NAME: &'static str;
    /// The architectures that have this layout.
    const ARCHES: &'static [Arch];
    /// Whether the size is the one C sees. It is not for structures that data of any length follows.
    const WHOLE: bool;
    /// The fields, in order.
    const FIELDS: &'static [Field];
}

/// A field of a [`Layout`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// The name, the same as in C. Names beginning with `_pad` are filler that C leaves implicit; a name that
    /// is a Rust keyword has an underscore at its end.
    pub name: &'static str,
    /// Bytes from the start of the structure.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// Makes `#[repr(C)]` structures. A row is a kind, the name in C, the name here, and the fields:
///
/// * `i386`: 64-bit numbers are aligned to 4;
/// * `x86_64`: natural alignment, filler is spelled out;
/// * `any`: the same layout on both;
/// * `any_packed`: the same on both, because x86-64 aligns to 4 here;
/// * `any_prefix`: the same on both as far as it goes;
/// * `head`: no alignment at all, something of variable length follows.
macro_rules! layouts {
    ($(
        $(#[$meta:meta])*
        $kind:ident $c_name:literal $name:ident { $($(#[$field_meta:meta])* $field:ident: $ty:ty,)* }
    )*) => {
        $(layouts! { @$kind $c_name $name [$(#[$meta])*] { $($(#[$field_meta])* $field: $ty,)* } })*
    };
    (@i386 $($rest:tt)*) => { layouts! { @def (C, packed(4)) [I386] true $($rest)* } };
    (@x86_64 $($rest:tt)*) => { layouts! { @def (C) [X86_64] true $($rest)* } };
    (@any $($rest:tt)*) => { layouts! { @def (C) [I386, X86_64] true $($rest)* } };
    (@any_packed $($rest:tt)*) => { layouts! { @def (C, packed(4)) [I386, X86_64] true $($rest)* } };
    (@any_prefix $($rest:tt)*) => { layouts! { @def (C) [I386, X86_64] false $($rest)* } };
    (@head $($rest:tt)*) => { layouts! { @def (C, packed) [I386, X86_64] false $($rest)* } };
    (
        @def ($($repr:tt)*) [$($arch:ident),*] $whole:literal
        $c_name:literal $name:ident [$($meta:tt)*] { $($(#[$field_meta:meta])* $field:ident: $ty:ty,)* }
    ) => {
        $($meta)*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr($($repr)*)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                pub $field: $ty,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                bytemuck::Zeroable::zeroed()
            }
        }

        impl $crate::layout::Layout for $name {
            const C_NAME: &'static str = $c_name;
            const ARCHES: &'static [$crate::Arch] = &[$($crate::Arch::$arch),*];
            const WHOLE: bool = $whole;
            const FIELDS: &'static [$crate::layout::Field] = &[$(
                $crate::layout::Field {
                    name: stringify!($field),
                    offset: core::mem::offset_of!($name, $field),
                    size: size_of::<$ty>(),
                },
            )*];
        }
    };
}

/// Makes sets of flags. A row is the type, its width, the prefix that the names have in C, and the bits.
macro_rules! flags {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident: $ty:ty, $prefix:literal { $($(#[$($flag_meta:tt)*])* $flag:ident = $value:literal,)* }
    )*) => {
        $(
            bitflags::bitflags! {
                $(#[$meta])*
                #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
                pub struct $name: $ty {
                    $(
                        $(#[$($flag_meta)*])*
                        const $flag = $value;
                    )*
                    // Bits without a name survive: what to do about them is for the system call to say.
                    const _ = !0;
                }
            }

            impl $name {
                /// What C puts before the names of these bits.
                pub const PREFIX: &'static str = $prefix;
            }
        )*
    };
}

/// Makes plain constants, and for each group a table of names and values.
macro_rules! constants {
    ($(
        $(#[$meta:meta])*
        $table:ident: $ty:ty { $($(#[$const_meta:meta])* $name:ident = $value:expr,)* }
    )*) => {
        $(
            $(#[$meta])*
            pub const $table: &[(&str, $ty)] = &[$((stringify!($name), $name)),*];
            $(
                $(#[$const_meta])*
                #[doc = concat!("See [`", stringify!($table), "`].")]
                pub const $name: $ty = $value;
            )*
        )*
    };
}

/// The name of a value in one of this crate's tables; the first one, where several have the value.
pub fn name_of<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> Option<&'static str> {
    table.iter().find(|row| row.1 == value).map(|row| row.0)
}
