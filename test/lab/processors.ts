/** The numbers in a list as the kernel writes them, e.g. 0-3,8 (cpuset(7), "List format"). */
export function listed(text: string): readonly number[] {
  return text.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}
