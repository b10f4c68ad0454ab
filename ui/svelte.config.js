// Svelte's own TypeScript support is enough: types alone, no preprocessor.
export default { compilerOptions: { runes: true } };
