//! linux/xattr.h, linux/limits.h, linux/posix_acl_xattr.h: extended attributes, xattr(7).

flags! {
    /// Flags of setxattr(2).
    pub struct XattrFlags: u32, "XATTR_" {
        CREATE = 0x1,
        REPLACE = 0x2,
    }
}
constants! {
    /// Longest name, value and list of names.
    XATTR_LIMITS: usize {
        XATTR_NAME_MAX = 255,
        XATTR_SIZE_MAX = 65536,
        XATTR_LIST_MAX = 65536,
    }
}
constants! {
    /// Version in the header of a `system.posix_acl_*` attribute.
    ACL_XATTR: u32 {
        POSIX_ACL_XATTR_VERSION = 2,
    }

    /// `e_tag` of an entry.
    ACL_TAGS: u16 {
        ACL_USER_OBJ = 0x1,
        ACL_USER = 0x2,
        ACL_GROUP_OBJ = 0x4,
        ACL_GROUP = 0x8,
        ACL_MASK = 0x10,
        ACL_OTHER = 0x20,
    }
}

/// Prefix of attributes that only privileged processes touch.
pub const XATTR_TRUSTED_PREFIX: &str = "trusted.";
/// Prefix of attributes anybody may use.
pub const XATTR_USER_PREFIX: &str = "user.";
/// Prefix of attributes of security modules.
pub const XATTR_SECURITY_PREFIX: &str = "security.";
/// Prefix of attributes of the kernel.
pub const XATTR_SYSTEM_PREFIX: &str = "system.";
