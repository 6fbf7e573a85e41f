// npm-licenses.mjs <main.cjs.map> <root>: adds to the root file system the licence of each npm package that the compiled
// driver contains, and to its list. The source map names the files that went in; package.json also names those that did not.
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const [map, root] = process.argv.slice(2)
const { sources } = JSON.parse(readFileSync(map, 'utf8'))
const folders = sources.flatMap((source) => {
  const found = /(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(source)
  return found ? [found[1]] : []
})

for (const folder of [...new Set(folders)].sort()) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const text = readdirSync(folder).find((file) => /^(licen[cs]e|copying)/i.test(file))
  let path = '(no licence file in the package)'
  if (text !== undefined) {
    path = `/usr/share/doc/npm/${name}-${version}/${text}`
    mkdirSync(join(root, `/usr/share/doc/npm/${name}-${version}`), { recursive: true })
    copyFileSync(join(folder, text), join(root, path))
  }
  appendFileSync(join(root, 'usr/share/doc/licenses.tsv'), `${name}\t${version}\tnpm, ${license}\t${path}\n`)
}
