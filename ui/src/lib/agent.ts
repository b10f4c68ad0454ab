// What a person calls the program that sent a `User-Agent` (RFC 9110, 10.1.5). It is a claim: anybody can send any.

/** The first that fits: most browsers say that they are others, too. */
const PROGRAMS: [RegExp, string][] = [
  [/\bEdg(?:A|iOS)?\/(\d+)/, 'Edge'],
  [/\bOPR\/(\d+)/, 'Opera'],
  [/\b(?:Firefox|FxiOS)\/(\d+)/, 'Firefox'],
  [/\b(?:HeadlessChrome|Chrome|CriOS)\/(\d+)/, 'Chrome'],
  [/\bVersion\/(\d+)\S* .*\bSafari\//, 'Safari'],
  [/^curl\/([\d.]+)/, 'curl'],
];
const SYSTEMS: [RegExp, string][] = [
  [/\b(?:iPhone|iPad)\b/, 'iOS'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
];

/** `Chrome 120 on Windows`; the text itself where nothing is known of it. */
export function spoken(agent: string): string {
  const program = PROGRAMS.find(([is]) => is.test(agent));
  if (!program) return agent;
  const [is, name] = program;
  const system = SYSTEMS.find(([on]) => on.test(agent))?.[1];
  return `${name} ${is.exec(agent)?.[1]}${system ? ` on ${system}` : ''}`;
}
