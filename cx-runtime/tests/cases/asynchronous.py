import asyncio, os, signal, sys


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def talk(path, number):
    reader, writer = await asyncio.open_unix_connection(path)
    answers = []
    for turn in range(5):
        writer.write(f"client {number} turn {turn}\n".encode())
        answers.append((await reader.readline()).decode().strip())
    writer.close()
    await writer.wait_closed()
    return answers[-1]


async def main():
    server = await asyncio.start_unix_server(echo, "/tmp/work/socket")
    print(await asyncio.gather(*(talk("/tmp/work/socket", n) for n in range(20))))
    server.close()
    await server.wait_closed()

    tcp = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*tcp.sockets[0].getsockname())
    writer.write(b"over tcp\n")
    print(await reader.readline())
    writer.close()
    tcp.close()

    process = await asyncio.create_subprocess_exec("sort", stdin=-1, stdout=-1)
    print(await process.communicate(b"b\na\n"), process.returncode)
    shell = await asyncio.create_subprocess_shell("sleep 0.1; exit 6")
    print(await shell.wait())
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError:
        print("timed out")
    queue = asyncio.Queue(3)

    async def produce():
        for n in range(10):
            await queue.put(n)
        await queue.put(None)

    async def consume():
        total = 0
        while (n := await queue.get()) is not None:
            total += n
        return total

    print((await asyncio.gather(produce(), consume()))[1])
    loop = asyncio.get_running_loop()
    print(await loop.run_in_executor(None, sum, range(1000)))
    got = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait()
    print("signal")
    order = []

    async def later(delay, name):
        await asyncio.sleep(delay)
        order.append(name)

    await asyncio.gather(later(0.15, "c"), later(0.05, "a"), later(0.1, "b"))
    print(order)
    task = asyncio.create_task(asyncio.sleep(100))
    await asyncio.sleep(0)
    task.cancel()
    print(await asyncio.gather(task, return_exceptions=True))
    lock, inside = asyncio.Lock(), []

    async def locked(n):
        async with lock:
            inside.append(n)
            await asyncio.sleep(0)
            assert inside[-1] == n

    await asyncio.gather(*(locked(n) for n in range(50)))
    print(len(inside))


asyncio.run(main())
