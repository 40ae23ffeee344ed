// What the servers of the benchmarks share: reading `--name=value`, and saying that they are ready.

/** @returns the value of `--name=value`, '' for `--name` alone, or undefined */
export function option(name) {
  const found = process.argv.find((item) => item === `--${name}` || item.startsWith(`--${name}=`));
  return found?.slice(name.length + 3);
}

/** Prints the port, and collects garbage whenever SIGUSR2 comes. @param collect how */
export function ready(port, collect = globalThis.gc) {
  if (collect !== undefined) {
    process.on('SIGUSR2', () => {
      collect();
      console.log(JSON.stringify({ collected: true }));
    });
  }
  console.log(JSON.stringify({ port }));
}
