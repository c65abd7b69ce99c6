// Modules that only the bundler knows.

declare module "*.css" {
  const text: string;
  export default text;
}

/** What wasm-bindgen makes of the crate. Errors are `Error`s with a `code`. */
declare module "cx-engine" {
  export default function load(from: { module_or_path: unknown }): Promise<unknown>;
  export function start(): void;
  export class BlockHandle {
    static http(ranges: object): Promise<BlockHandle>;
    static split(parts: object): Promise<BlockHandle>;
    static overlay(base: BlockHandle, store: object, keep_reads: boolean): Promise<BlockHandle>;
    share(): BlockHandle;
    size(): number;
    reset(): Promise<void>;
  }
  export class TreeHandle {
    static data(): TreeHandle;
    static web(tree: object): TreeHandle;
    static persistent(store: object): Promise<TreeHandle>;
    share(): TreeHandle;
    read_file(path: string): Promise<Uint8Array>;
    write_file(path: string, bytes: Uint8Array): Promise<void>;
    list(path: string): Promise<object[]>;
    remove(path: string): Promise<void>;
    block_device(path: string): Promise<BlockHandle>;
  }
  export class ProcessHandle {
    pid(): number;
    wait(): Promise<number>;
    kill(signal: number): void;
    take(fd: number): Uint8Array | undefined;
    hold(fd: number, held: boolean): void;
    close_output(fd: number): void;
    write_stdin(bytes: Uint8Array): void;
    stdin_backlog(): number;
    close_stdin(): void;
  }
  export class MachineHandle {
    static create(config: object, host: object): Promise<MachineHandle>;
    run(until: number): number;
    spawn(request: object): Promise<ProcessHandle>;
    attach_console(): void;
    take_console(): Uint8Array | undefined;
    console_input(bytes: Uint8Array): void;
    resize_console(columns: number, rows: number): void;
    read_file(path: string): Promise<Uint8Array>;
    write_file(path: string, bytes: Uint8Array, mode: number): Promise<void>;
    list(path: string): Promise<object[]>;
    remove(path: string): Promise<void>;
    sync(): Promise<void>;
    stats(): string;
    stop(): Promise<void>;
  }
}
