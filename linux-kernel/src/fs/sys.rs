//! `/sys` (sysfs(5)): as much of it as programs look at to learn what machine this is. Nothing in it changes.

use crate::fs::synthetic::{Place, SyntheticFs, Tree};
use crate::kernel::Kernel;
use linux_abi::statfs::SYSFS_MAGIC;
use std::rc::Rc;

/// `st_dev` of `/sys`.
const DEVICE: u64 = 0x14;

/// Directories that would otherwise not be there.
const DIRECTORIES: &[&str] = &[
    "block",
    "bus",
    "class/block",
    "class/graphics",
    "class/input",
    "class/power_supply",
    "dev/block",
    "dev/char",
    "devices/system/cpu/cpu0/topology",
    "devices/system/node/node0",
    "devices/virtual/tty",
    "firmware",
    "fs/cgroup",
    "kernel/mm/hugepages/hugepages-2048kB",
    "kernel/security",
    "module",
    "power",
];

#[rustfmt::skip]
const FILES: &[(&str, &str)] = &[
    ("devices/system/cpu/online", "0\n"),
    ("devices/system/cpu/possible", "0\n"),
    ("devices/system/cpu/present", "0\n"),
    ("devices/system/cpu/offline", "\n"),
    ("devices/system/cpu/isolated", "\n"),
    ("devices/system/cpu/kernel_max", "0\n"),
    ("devices/system/cpu/cpu0/topology/core_cpus", "1\n"),
    ("devices/system/cpu/cpu0/topology/core_cpus_list", "0\n"),
    ("devices/system/cpu/cpu0/topology/core_id", "0\n"),
    ("devices/system/cpu/cpu0/topology/core_siblings", "1\n"),
    ("devices/system/cpu/cpu0/topology/core_siblings_list", "0\n"),
    ("devices/system/cpu/cpu0/topology/package_cpus", "1\n"),
    ("devices/system/cpu/cpu0/topology/package_cpus_list", "0\n"),
    ("devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
    ("devices/system/cpu/cpu0/topology/thread_siblings", "1\n"),
    ("devices/system/cpu/cpu0/topology/thread_siblings_list", "0\n"),
    ("devices/system/node/online", "0\n"),
    ("devices/system/node/possible", "0\n"),
    ("devices/system/node/has_cpu", "0\n"),
    ("devices/system/node/has_memory", "0\n"),
    ("devices/system/node/node0/cpulist", "0\n"),
    ("devices/system/node/node0/cpumap", "1\n"),
    ("devices/virtual/tty/tty/dev", "5:0\n"),
    ("devices/virtual/tty/console/dev", "5:1\n"),
    ("devices/virtual/tty/console/active", "tty1\n"),
    ("devices/virtual/tty/ptmx/dev", "5:2\n"),
    ("devices/virtual/tty/tty0/dev", "4:0\n"),
    ("devices/virtual/tty/tty0/active", "tty1\n"),
    ("devices/virtual/tty/tty1/dev", "4:1\n"),
    ("devices/virtual/net/lo/address", "00:00:00:00:00:00\n"),
    ("devices/virtual/net/lo/addr_len", "6\n"),
    ("devices/virtual/net/lo/broadcast", "00:00:00:00:00:00\n"),
    ("devices/virtual/net/lo/carrier", "1\n"),
    ("devices/virtual/net/lo/flags", "0x9\n"),
    ("devices/virtual/net/lo/ifindex", "1\n"),
    ("devices/virtual/net/lo/iflink", "1\n"),
    ("devices/virtual/net/lo/mtu", "65536\n"),
    ("devices/virtual/net/lo/operstate", "unknown\n"),
    ("devices/virtual/net/lo/tx_queue_len", "1000\n"),
    ("devices/virtual/net/lo/type", "772\n"),
    ("devices/virtual/net/lo/uevent", "INTERFACE=lo\nIFINDEX=1\n"),
    ("devices/virtual/net/lo/statistics/rx_bytes", "0\n"),
    ("devices/virtual/net/lo/statistics/rx_packets", "0\n"),
    ("devices/virtual/net/lo/statistics/tx_bytes", "0\n"),
    ("devices/virtual/net/lo/statistics/tx_packets", "0\n"),
    ("kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
    ("kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise madvise [never]\n"),
    ("kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", "0\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages", "0\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "0\n"),
    ("power/state", "\n"),
];

const LINKS: &[(&str, &str)] = &[
    ("class/net/lo", "../../devices/virtual/net/lo"),
    ("class/tty/tty", "../../devices/virtual/tty/tty"),
    ("class/tty/console", "../../devices/virtual/tty/console"),
    ("class/tty/ptmx", "../../devices/virtual/tty/ptmx"),
    ("class/tty/tty0", "../../devices/virtual/tty/tty0"),
    ("class/tty/tty1", "../../devices/virtual/tty/tty1"),
    ("dev/char/5:0", "../../devices/virtual/tty/tty"),
    ("dev/char/5:1", "../../devices/virtual/tty/console"),
    ("dev/char/5:2", "../../devices/virtual/tty/ptmx"),
    ("dev/char/4:0", "../../devices/virtual/tty/tty0"),
    ("dev/char/4:1", "../../devices/virtual/tty/tty1"),
];

/// The file system of `/sys`.
pub fn new(kernel: &Rc<Kernel>) -> Rc<SyntheticFs> {
    let tree = Tree::new(Place { device: DEVICE, ino: 1, time: kernel.clock.timestamp() });
    for path in DIRECTORIES {
        tree.directory(path);
    }
    for (path, text) in FILES {
        tree.constant(path, text);
    }
    for (path, target) in LINKS {
        tree.link(path, target);
    }
    Rc::new(SyntheticFs { root: tree.root(), device: DEVICE, type_name: "sysfs", magic: SYSFS_MAGIC })
}
