//! Credentials (credentials(7)) and the permission checks that follow from them.

use std::rc::Rc;
use vfs::Attributes;

/// User and group ids of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Cred {
    pub uid: u32,
    pub euid: u32,
    pub suid: u32,
    pub fsuid: u32,
    pub gid: u32,
    pub egid: u32,
    pub sgid: u32,
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Rc<[u32]>,
    /// Capabilities (capabilities(7)): bit n is capability n.
    pub permitted: u64,
    pub effective: u64,
    pub inheritable: u64,
}

/// Every capability there is, up to CAP_CHECKPOINT_RESTORE.
pub const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

/// Bits of single capabilities (linux/capability.h).
pub mod capability {
    #![allow(missing_docs)]
    pub const CHOWN: u64 = 1 << 0;
    pub const DAC_OVERRIDE: u64 = 1 << 1;
    pub const DAC_READ_SEARCH: u64 = 1 << 2;
    pub const FOWNER: u64 = 1 << 3;
    pub const FSETID: u64 = 1 << 4;
    pub const LINUX_IMMUTABLE: u64 = 1 << 9;
    pub const MKNOD: u64 = 1 << 27;
    pub const MAC_OVERRIDE: u64 = 1 << 32;
    /// Those that go and come with the file-system user id (setfsuid(2)).
    pub const FILES: u64 =
        CHOWN | DAC_OVERRIDE | DAC_READ_SEARCH | FOWNER | FSETID | LINUX_IMMUTABLE | MKNOD | MAC_OVERRIDE;
}

/// `PR_SET_KEEPCAPS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepCaps {
    Yes,
    No,
}

/// What a check asks for; the bits of access(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want(pub u32);

#[allow(missing_docs)]
impl Want {
    pub const EXEC: Want = Want(1);
    pub const WRITE: Want = Want(2);
    pub const READ: Want = Want(4);
}

impl Cred {
    /// Everything set to one user and group.
    pub fn user(uid: u32, gid: u32) -> Cred {
        Cred {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups: Rc::from([]),
            permitted: if uid == 0 { ALL_CAPABILITIES } else { 0 },
            effective: if uid == 0 { ALL_CAPABILITIES } else { 0 },
            inheritable: 0,
        }
    }

    /// May do what needs a capability. Which one is not told apart: any in effect will do.
    pub fn privileged(&self) -> bool {
        self.effective != 0
    }

    /// What a change of user ids does to the capabilities (capabilities(7), "Effect of user ID changes").
    pub(crate) fn adjust_capabilities(&mut self, old: &Cred, keep: KeepCaps) {
        let any_root = |c: &Cred| [c.uid, c.euid, c.suid].contains(&0);
        if any_root(old) && !any_root(self) && keep == KeepCaps::No {
            (self.permitted, self.effective) = (0, 0);
        }
        if old.euid == 0 && self.euid != 0 {
            self.effective = 0;
        } else if old.euid != 0 && self.euid == 0 {
            self.effective = self.permitted;
        }
        if old.fsuid == 0 && self.fsuid != 0 {
            self.effective &= !capability::FILES;
        } else if old.fsuid != 0 && self.fsuid == 0 {
            self.effective |= self.permitted & capability::FILES;
        }
    }

    /// Whether a capability is in effect, for the checks that tell them apart: those on files.
    pub fn has(&self, capability: u64) -> bool {
        self.effective & capability != 0
    }

    /// What execve leaves: root has all of them, everybody else none, since we know no capabilities of files.
    pub(crate) fn reset_capabilities_for_exec(&mut self) {
        let root = self.uid == 0 || self.euid == 0;
        self.permitted = if root { ALL_CAPABILITIES } else { 0 };
        self.effective = if self.euid == 0 { ALL_CAPABILITIES } else { 0 };
    }

    /// Whether a group id is one of ours, for file access.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// The check of path_resolution(7), with the file-system ids.
    pub fn may(&self, attributes: &Attributes, want: Want) -> bool {
        let mode = attributes.permissions;
        let directory = attributes.file_type == vfs::FileType::Directory;
        if self.has(capability::DAC_OVERRIDE) {
            // Anything, but execute only what somebody may execute.
            return want.0 & 1 == 0 || directory || mode & 0o111 != 0;
        }
        let looks = if directory { want.0 & 2 == 0 } else { want == Want::READ };
        if looks && self.has(capability::DAC_READ_SEARCH) {
            return true;
        }
        let granted = if self.fsuid == attributes.uid {
            mode >> 6
        } else if self.in_group(attributes.gid) {
            mode >> 3
        } else {
            mode
        };
        granted & want.0 == want.0
    }

    /// Whether the file's owner, or as good as that.
    pub fn owns(&self, attributes: &Attributes) -> bool {
        self.has(capability::FOWNER) || self.fsuid == attributes.uid
    }

    /// The same with real ids in place of effective ones, as access(2) checks.
    #[must_use]
    pub fn with_real_ids(&self) -> Cred {
        let effective = if self.uid == 0 { self.permitted } else { 0 };
        Cred { fsuid: self.uid, fsgid: self.gid, effective, ..self.clone() }
    }
}
