//! Calls on credentials (credentials(7)). An all-ones id leaves a value alone; unprivileged processes may only shuffle
//! what they have.

use crate::cred::{Cred, KeepCaps};
use crate::file::Result;
use crate::sys::Args;
use crate::task::Task;
use linux_abi::Errno;
use std::rc::Rc;

fn update(task: &Task, change: impl FnOnce(&mut Cred) -> Result<()>) -> Result<u64> {
    let old = task.cred();
    let mut cred = (*old).clone();
    change(&mut cred)?;
    cred.adjust_capabilities(&old, if task.keep_caps.get() { KeepCaps::Yes } else { KeepCaps::No });
    *task.cred.borrow_mut() = Rc::new(cred);
    Ok(0)
}

const KEEP: u32 = u32::MAX;

pub fn setuid(task: &Task, uid: u32) -> Result<u64> {
    update(task, |c| {
        if c.privileged() {
            (c.uid, c.suid) = (uid, uid);
        } else if uid != c.uid && uid != c.suid {
            return Err(Errno::EPERM);
        }
        (c.euid, c.fsuid) = (uid, uid);
        Ok(())
    })
}

pub fn setgid(task: &Task, gid: u32) -> Result<u64> {
    update(task, |c| {
        if c.privileged() {
            (c.gid, c.sgid) = (gid, gid);
        } else if gid != c.gid && gid != c.sgid {
            return Err(Errno::EPERM);
        }
        (c.egid, c.fsgid) = (gid, gid);
        Ok(())
    })
}

pub fn setresuid(task: &Task, real: u32, effective: u32, saved: u32) -> Result<u64> {
    update(task, |c| {
        let have = [c.uid, c.euid, c.suid, KEEP];
        if !c.privileged() && [real, effective, saved].iter().any(|id| !have.contains(id)) {
            return Err(Errno::EPERM);
        }
        let pick = |new, old| if new == KEEP { old } else { new };
        (c.uid, c.euid, c.suid) = (pick(real, c.uid), pick(effective, c.euid), pick(saved, c.suid));
        c.fsuid = c.euid;
        Ok(())
    })
}

pub fn setresgid(task: &Task, real: u32, effective: u32, saved: u32) -> Result<u64> {
    update(task, |c| {
        let have = [c.gid, c.egid, c.sgid, KEEP];
        if !c.privileged() && [real, effective, saved].iter().any(|id| !have.contains(id)) {
            return Err(Errno::EPERM);
        }
        let pick = |new, old| if new == KEEP { old } else { new };
        (c.gid, c.egid, c.sgid) = (pick(real, c.gid), pick(effective, c.egid), pick(saved, c.sgid));
        c.fsgid = c.egid;
        Ok(())
    })
}

/// `setreuid`: the saved id follows where the real one is set or the effective one becomes another (setreuid(2)).
pub fn setreuid(task: &Task, real: u32, effective: u32) -> Result<u64> {
    let old = task.cred();
    let may_be_effective = [old.uid, old.euid, old.suid, KEEP].contains(&effective);
    let may_be_real = [old.uid, old.euid, KEEP].contains(&real);
    let allowed = old.privileged() || (may_be_effective && may_be_real);
    if !allowed {
        return Err(Errno::EPERM);
    }
    update(task, |c| {
        let pick = |new, old| if new == KEEP { old } else { new };
        (c.uid, c.euid) = (pick(real, old.uid), pick(effective, old.euid));
        if real != KEEP || (effective != KEEP && effective != old.uid) {
            c.suid = c.euid;
        }
        c.fsuid = c.euid;
        Ok(())
    })
}

/// `setregid`: as `setreuid`.
pub fn setregid(task: &Task, real: u32, effective: u32) -> Result<u64> {
    let old = task.cred();
    let may_be_effective = [old.gid, old.egid, old.sgid, KEEP].contains(&effective);
    let may_be_real = [old.gid, old.egid, KEEP].contains(&real);
    let allowed = old.privileged() || (may_be_effective && may_be_real);
    if !allowed {
        return Err(Errno::EPERM);
    }
    update(task, |c| {
        let pick = |new, old| if new == KEEP { old } else { new };
        (c.gid, c.egid) = (pick(real, old.gid), pick(effective, old.egid));
        if real != KEEP || (effective != KEEP && effective != old.gid) {
            c.sgid = c.egid;
        }
        c.fsgid = c.egid;
        Ok(())
    })
}

/// `setfsuid`: gives the old id, and changes nothing where that is not allowed.
pub fn setfsuid(task: &Task, uid: u32) -> Result<u64> {
    let old = task.cred();
    if old.privileged() || [old.uid, old.euid, old.suid, old.fsuid].contains(&uid) {
        update(task, |c| {
            c.fsuid = uid;
            Ok(())
        })?;
    }
    Ok(u64::from(old.fsuid))
}

/// `setfsgid`: as `setfsuid`.
pub fn setfsgid(task: &Task, gid: u32) -> Result<u64> {
    let old = task.cred();
    if old.privileged() || [old.gid, old.egid, old.sgid, old.fsgid].contains(&gid) {
        update(task, |c| {
            c.fsgid = gid;
            Ok(())
        })?;
    }
    Ok(u64::from(old.fsgid))
}

/// Writes three ids, 32 or 16 bits each.
pub async fn put_ids(task: &Task, a: &Args, ids: [u32; 3], narrow: bool) -> Result<u64> {
    for (i, id) in ids.into_iter().enumerate() {
        if narrow {
            task.put(a.word(i), &(id as u16)).await?;
        } else {
            task.put(a.word(i), &id).await?;
        }
    }
    Ok(0)
}

pub async fn getgroups(task: &Rc<Task>, a: &Args, narrow: bool) -> Result<u64> {
    let groups = task.cred().groups.clone();
    if a.int(0) < 0 || (a.int(0) != 0 && (a.int(0) as usize) < groups.len()) {
        return Err(Errno::EINVAL);
    }
    if a.int(0) != 0 {
        let bytes: Vec<u8> = if narrow {
            groups.iter().flat_map(|gid| (*gid as u16).to_le_bytes()).collect()
        } else {
            groups.iter().flat_map(|gid| gid.to_le_bytes()).collect()
        };
        task.write_bytes(a.word(1), &bytes).await?;
    }
    Ok(groups.len() as u64)
}

pub async fn setgroups(task: &Rc<Task>, a: &Args, narrow: bool) -> Result<u64> {
    if !task.cred().privileged() {
        return Err(Errno::EPERM);
    }
    let count = a.word(0) as usize;
    if count > 65536 {
        return Err(Errno::EINVAL);
    }
    let width = if narrow { 2 } else { 4 };
    let bytes = task.read_bytes(a.word(1), count * width).await?;
    let groups: Rc<[u32]> = bytes
        .chunks_exact(width)
        .map(|id| id.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        .collect();
    update(task, |c| {
        c.groups = groups;
        Ok(())
    })
}
