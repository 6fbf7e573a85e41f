const transform = {
  '^.+\\.m?[jt]s$': [
    '@swc/jest',
    { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
  ],
}

const lane = (displayName, testMatch, more = {}) => ({
  displayName,
  rootDir: import.meta.dirname,
  // What is installed, fetched and built is not looked through.
  roots: ['<rootDir>/src', '<rootDir>/test'],
  testMatch: testMatch.map((pattern) => `<rootDir>/${pattern}`),
  testEnvironment: 'node',
  transform,
  // typebox is published as an ES module only.
  transformIgnorePatterns: ['/node_modules/(?!typebox/)'],
  ...more,
})

export default {
  projects: [
    lane('unit', ['src/**/*.test.ts', 'test/fuzz/**/*.test.ts', 'test/lab/cache.test.ts']),
    lane('lab', ['test/lab/guest.test.ts']),
    lane('integration', ['test/integration/**/*.test.ts']),
    lane('chaos', ['test/chaos/**/*.test.ts']),
    lane('protocol', ['test/protocol/**/*.test.ts']),
    // Whatever needs features that the machine's own kernel may lack.
    lane('e2e', ['test/e2e/**/*.test.ts'], { testPathIgnorePatterns: ['/test/e2e/kernel-'] }),
    lane('guest', ['test/e2e/kernel-*.test.ts']),
  ],
}
