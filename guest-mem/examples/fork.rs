//! Shows copy-on-write at work: how many frames two address spaces hold before and after one of them writes.

use guest_mem::{AddressSpace, FramePool, Prot, Vma};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = FramePool::new(4096);
    let parent = AddressSpace::new(&pool);
    let (start, end) = (0x10_0000, 0x14_0000);
    parent.map(Vma::anonymous(start, end, Prot::READ | Prot::WRITE))?;
    parent.fill(start, (end - start) as usize, 7)?;
    println!("parent alone:        {} frames", pool.stats().in_use);
    let child = parent.fork();
    println!("after fork:          {} frames", pool.stats().in_use);
    child.write(start + 0x5000, 1u64)?;
    println!("after one write:     {} frames", pool.stats().in_use);
    println!("child {} parent {}", child.read::<u8>(start + 0x5000)?, parent.read::<u8>(start + 0x5000)?);
    Ok(())
}
