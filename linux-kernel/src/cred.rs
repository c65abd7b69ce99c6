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
        }
    }

    /// Holds every capability in effect. We have no finer grain: root has all, others none.
    pub fn privileged(&self) -> bool {
        self.euid == 0
    }

    /// Whether a group id is one of ours, for file access.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// The check of path_resolution(7), with the file-system ids.
    pub fn may(&self, attributes: &Attributes, want: Want) -> bool {
        let mode = attributes.permissions;
        if self.fsuid == 0 {
            // Root may do anything, but execute only what somebody may execute.
            let directory = attributes.file_type == vfs::FileType::Directory;
            return want.0 & 1 == 0 || directory || mode & 0o111 != 0;
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

    /// Whether the file's owner, or root.
    pub fn owns(&self, attributes: &Attributes) -> bool {
        self.fsuid == 0 || self.fsuid == attributes.uid
    }

    /// The same with real ids in place of effective ones, as access(2) checks.
    #[must_use]
    pub fn with_real_ids(&self) -> Cred {
        Cred { fsuid: self.uid, fsgid: self.gid, ..self.clone() }
    }
}
