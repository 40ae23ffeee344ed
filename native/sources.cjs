// Prints the sources of one target for binding.gyp: sources.json is the only list, CMakeLists.txt reads
// it, too. `node native/sources.cjs sluice`
const lists = require('./sources.json');

console.log(lists[process.argv[2]].join('\n'));
