"""Which arguments of common programs are paths, and what is done to them."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.policy.commands.evaluate.value import Arg
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split
from gateway.policy.commands.report import How

_TABLE: Final = """
cat read
tac read
bat read -l -r
zcat read
gzcat read
bzcat read
xzcat read
nl read -b -d -f -h -i -l -n -s -v -w
head read -n -c
tail read -n -c -s --pid
less read -p -o:write -O:write
more read -n
most read
pg read
view read
strings read -n -t -e
od read -A -j -N -t -w -S
xxd read last2:write -c -g -l -s -o
hexdump read -n -s -e -f:read
hd read -n -s
base64 read -w
base32 read -w
basenc read -w
uuencode read
rev read
fold read -w
fmt read -w
pr read -h -l -o -w
expand read -t
unexpand read -t
column read -s -t -o -c
cut read -b -c -d -f --output-delimiter
paste read -d
join read -1 -2 -t -o -a -e -v
comm read --output-delimiter
sort read -k -t -o:write -T:write -S --files0-from:read --random-source:read
uniq read last2:write -f -s -w
wc read --files0-from:read
sum read
cksum read
md5sum read
sha1sum read
sha256sum read
sha512sum read
b2sum read
shasum read -a
file read -m:read -f:read
stat read -c -f
diff read -I -U -C
cmp read -n -i
sdiff read -o:write
diff3 read
ls read -I -w -T
dir read
vdir read
tree read -L -P -I -o:write
du read -d -B --exclude --max-depth -t
df read -t -x -B
readlink read
realpath read --relative-to --relative-base
grep read skip:1 -e! -f!:read -A -B -C -m --include --exclude --exclude-dir --color
egrep read skip:1 -e! -f!:read -A -B -C -m --include --exclude
fgrep read skip:1 -e! -f!:read -A -B -C -m --include --exclude
zgrep read skip:1 -e! -f!:read -A -B -C -m
rg read skip:1 -e! -f!:read -A -B -C -g -t -T -m -j --pre:execute
ag read skip:1 -A -B -C -G
ack read skip:1 -A -B -C
cd read
pushd read
tee write
touch write -d -t -r:read
mkdir write -m -Z
mkfifo write -m
mknod write -m
rmdir delete
rm delete
unlink delete
shred delete -n -s
srm delete
trash delete
wipe delete
truncate write -s -r:read
fallocate write -o -l
cp read last:write -S -t:write --target-directory:write
mv read,delete last:write -S -t:write --target-directory:write
install read last:write -m -o -g -S -t:write
ln read last:write -S -t:write
link read last:write
rename write skip:2
chmod write skip:1 --reference:read
chown write skip:1 --reference:read
chgrp write skip:1 --reference:read
chattr write skip:1
setfacl write -m! -x! -M:read -X:read
setcap write skip:1
chcon write skip:1 -t -u -r
xattr write skip:1
split read last2:write -b -l -n -a -C
csplit read -f -n -b
gzip write -S
gunzip write -S
bzip2 write
bunzip2 write
xz write -T
unxz write
zstd read -o:write -T
lz4 read last2:write
zip read first:write -x -i -P -b
unzip read -d:write -x -P
7z read skip:1 -o -p
ar read skip:1
cpio read -D:write -F:write -O:write -I:read
patch write -i:read -p -o:write -d:write -r:write
dos2unix write
unix2dos write
iconv read -f -t -o:write
openssl read -in:read -out:write -inkey:read -key:read -CAfile:read -pass -k -K -iv -connect -host -port
gpg read -o:write --output:write -r -u --homedir:read --recipient --passphrase --passphrase-file:read
age read -o:write -r -i:read
ssh-keygen none -f:write -t -b -C -N -P -q
mount read last:write -t -o -L -U
umount write -t -O
losetup read last:read -o
mkfs write -t
mke2fs write -t -L
mkswap write
fdisk write
parted write
wipefs write
swapon read
insmod execute
modprobe none
source execute
. execute
nano write -T -r -Y
vi write -c -S:execute -s:execute -u:execute
vim write -c -S:execute -s:execute -u:execute --cmd
nvim write -c -S:execute -s:execute -u:execute --cmd
emacs write -l:execute --load:execute --eval -f
ed write -p
ex write -c -s
code write
pico write
open read -a
xdg-open read
jq read skip:1 -f!:read --slurpfile --rawfile --arg --argjson --indent
yq read skip:1
xmllint read --output:write --xpath
csvcut read -c -d
sqlite3 write first:write operands:first -cmd -init:execute -separator
pandoc read -o:write -f -t
convert read last:write
ffmpeg none -i:read -c -f -vf -af operands:write
pdftotext read last2:write -f -l
tesseract read skip2:write
mailx none -a:read -A:read
mutt none -a:read -s -c -b
logger read -t -p -f:read -n
wall read
lp read -d
lpr read -P
scp none
sha224sum read
sha384sum read
sponge write
nohup none
vipe none
getfacl read
lsattr read
lsof read
fuser read
namei read
make none -f:execute -C:read -j --file:execute --directory:read
cmake read -S:read -B:write --build:execute -P:execute
ninja none -f:execute -C:read
gcc read -o:write -I:read -L:read -l -x -std
cc read -o:write -I:read -L:read -l -x
g++ read -o:write -I:read -L:read -l -x
clang read -o:write -I:read -L:read -l -x
rustc read -o:write
ldconfig none
visudo none -f:write
useradd none -d -g -G -s -u
tput none
look read skip:1
aspell none
pv read
dd none
"""
"""Program; what is done to its operands (`none`: they are no paths); `skip:n` operands that are none; `first:`, `last:`
and `last2:` (the second of two) what is done to those; options with a value, and `:how` where it is a path. After an
option with `!` no operand is skipped. From the manuals of GNU coreutils, util-linux and the programs' own."""


class _Files(Struct, frozen=True):
    hows: tuple[How, ...]
    values: frozenset[str]
    paths: dict[str, How]
    skips: int = 0
    no_skip: frozenset[str] = frozenset()
    first: How | None = None
    last: How | None = None
    is_second: bool = False  # `last` is only where there are two operands


def _read(line: str) -> tuple[str, _Files]:
    name, hows, *rest = line.split()
    values: set[str] = set()
    paths: dict[str, How] = {}
    skips, no_skip, first, last, is_second = 0, set[str](), None, None, False
    for token in rest:
        head, _, tail = token.partition(":")
        if head == "skip":
            skips = int(tail)
        elif head == "first":
            first = How(tail)
        elif head in ("last", "last2"):
            last, is_second = How(tail), head == "last2"
        elif head.startswith("-"):
            option = head.rstrip("!")
            no_skip |= {option} if head.endswith("!") else set()
            values.add(option)
            if tail:
                paths[option] = How(tail)
    some = () if hows == "none" else tuple(How(how) for how in hows.split(","))
    return name, _Files(some, frozenset(values), paths, skips, frozenset(no_skip), first, last, is_second)


FILES: Final = dict(_read(line) for line in _TABLE.strip().splitlines() if line)


def touched(run: Invocation) -> None:
    """Notes the paths among the arguments."""
    files = FILES[run.name]
    options, operands = split(run.args, files.values)
    for name, value in options:
        if value is not None and (how := files.paths.get(name)) is not None:
            run.touch(value, how)
    skips = 0 if has(options, *files.no_skip) else files.skips
    for place, operand in enumerate(operands[skips:]):
        for how in _hows(files, options, place, len(operands) - skips):
            run.touch(operand, how)


def _hows(files: _Files, options: list[tuple[str, Arg | None]], place: int, count: int) -> tuple[How, ...]:
    if place == 0 and files.first is not None:
        return (files.first,)
    is_last = place == count - 1 and (count == 2 if files.is_second else count > 1)
    if is_last and files.last is not None and not has(options, "-t", "--target-directory"):
        return (files.last,)
    return files.hows
