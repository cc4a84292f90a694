# Runs in the dovecot container: replaces the users file and the directory fresh, or leaves both unchanged.
# usage: write_users.pl EXPECTED; stdin: "LENGTH SHA256 COUNT AT KEPT REST", the first line of the new users file, COUNT
# lines "NAME LINE" for the files fresh/NAME, then LENGTH bytes. The new file is its first line, KEPT bytes from AT of
# the old one, the LENGTH bytes, and the old one from REST on (-1: nothing).
# Runs as root with the group dovecot, and prints "in force" at the end. exit: 75 another writer holds the lock, 76 the
# generation is not EXPECTED, 77 the input is incomplete, 78 the new file cannot be made of the old one.
# In Perl, because each program that a shell would start delays a new mailbox by two milliseconds; for the same reason
# without its modules. Debian's perl-base cannot compute SHA-256: sha256sum does that while the file is written.
use strict;

my ($name, $expected) = @ARGV;
my $block = 1 << 20;
my $new = ".quazzar.users.$$";
my $is_made = 0;
my $file;
$SIG{PIPE} = 'IGNORE';
END { unlink $new if $is_made }

sub failed { print STDERR "$name: $_[0]: $!\n"; exit 1 }

# Fcntl takes long to load: these are Linux's numbers, on every processor that Debian's images of Dovecot are for.
my ($write_only, $create, $exclusive) = (01, 0100, 0200);
my $set_pipe_size = 1031;

sub put {
    my ($handle, $data) = @_;
    for (my $at = 0; $at < length $$data;) {
        $at += syswrite($handle, $$data, $block, $at) // failed('writing');
    }
}

# Perl has no functions for these calls of Linux, or needs a module that takes long to load. Their numbers
# differ between processors; a program's 19th and 20th byte say which one it is for: x86-64 or AArch64.
open(my $program, '<:raw', '/proc/self/exe') or failed('/proc/self/exe');
sysread($program, my $head, 20);
my %numbers = (62 => [74, 326, 40], 183 => [82, 285, 71]);
my ($fsync, $copy_file_range, $sendfile) = @{ $numbers{unpack('x18 v', $head)} // [] };

# --- the digest --------------------------------------------------------------------------------------------------
# First, so that it starts while the input is on its way.
pipe(my $from_us, my $to_sum) && pipe(my $from_sum, my $to_us) or failed('a pipe');
fcntl($to_sum, $set_pipe_size, $block);
defined(my $summing = fork) or failed('sha256sum');
if (!$summing) {
    open(STDIN, '<&', $from_us) && open(STDOUT, '>&', $to_us) && exec 'sha256sum';
    kill 'KILL', $$;
}
close $_ for $from_us, $to_us;

# --- the lock, and what the input says ---------------------------------------------------------------------------
chdir '/etc/dovecot' or failed('/etc/dovecot');
umask 0;
# Its group is dovecot's, like that of all that is made here; only root may hold the lock.
sysopen(my $lock, '.quazzar.lock.users', $write_only | $create, 0600) or failed('the lock');
$SIG{ALRM} = sub { exit 75 };
alarm 10;
flock($lock, 2) or failed('the lock');
alarm 0;

sub names_in {
    opendir(my $directory, $_[0]) or return ();
    return grep { !/^\.\.?\z/ } readdir $directory;
}

# We hold the lock, so these are left over from a killed writer.
unlink grep { /^\.quazzar\.users\./ } names_in('.');
unlink map { "fresh/.new/$_" } names_in('fresh/.new');

my $input = '';
sub more { sysread(STDIN, $input, $block, length $input) or exit 77 }
sub line {
    my $end;
    more() while ($end = index($input, "\n")) < 0;
    return substr($input, 0, $end + 1, '');
}

my $number = qr/(\d+)/;
my ($length, $sum, $count, $at, $kept, $rest) = line() =~ /^$number (\w{64}) $number $number $number (-1|\d+)\n\z/
    or exit 77;
my $first = line();
my $needs_old = $kept > 0 || $rest >= 0;
my $old;
my $has_old = open($old, '<:raw', 'users');
if ($expected ne 'any') {
    my $present = $has_old ? readline($old) // '' : '';
    exit 76 unless $present =~ /^(?:# quazzar generation )?\Q$expected\E\n?\z/;
}
exit 78 if $needs_old && !$has_old;

mkdir $_, 0755 for 'fresh', 'fresh/.new';
# e3 is for listing users (dovecot.conf), and stays.
my %fresh = (e3 => '');
for (1 .. $count) {
    my ($place, $said) = line() =~ /^([0-9a-z]+) (.*\n)\z/ or exit 77;
    $fresh{$place} .= $said;
}
delete $fresh{e3};
for (keys %fresh) {
    sysopen(my $out, "fresh/.new/$_", $write_only | $create | $exclusive, 0640) or failed("fresh/$_");
    put($out, \$fresh{$_});
}

# --- the new file ------------------------------------------------------------------------------------------------
sysopen($file, $new, $write_only | $create | $exclusive, 0640) or failed('the new file');
$is_made = 1;

open(my $made, '<:raw', $new) or failed('the new file');
my $summed = 0;

# Gives what has been added to sha256sum, which reads it meanwhile.
sub sum {
    my ($most) = @_;
    while ($summed < $most) {
        my $got = $sendfile ? syscall($sendfile, fileno $to_sum, fileno $made, 0, $most - $summed) : -1;
        if ($got < 0) {
            sysread($made, my $piece, $block) or failed('the new file');
            put($to_sum, \$piece);
            $got = length $piece;
        }
        $got or failed('the new file');
        $summed += $got;
    }
}

my $size = 0;
sub add {
    put($file, $_[0]);
    sum($size += length ${$_[0]});
}

sub add_old {
    my ($from, $left) = @_;
    sysseek($old, $from, 0) or failed('the old file');
    while ($left > 0) {
        my $most = $left < $block ? $left : $block;
        my $got = $copy_file_range ? syscall($copy_file_range, fileno $old, 0, fileno $file, 0, $most, 0) : -1;
        if ($got < 0) {
            $got = sysread($old, my $piece, $most) // failed('the old file');
            put($file, \$piece);
        }
        last unless $got;
        sum($size += $got);
        $left -= $got;
    }
}

add(\$first);
add_old($at, $kept) if $kept;
for (my $left = $length; $left;) {
    more() if $input eq '';
    my $piece = substr($input, 0, $left, '');
    add(\$piece);
    $left -= length $piece;
}
add_old($rest, -s $old) if $rest >= 0;
close $to_sum;

# Dovecot compares times by the second, so two writes within one second must get different ones.
my $time = time;
my $before = (stat 'users')[9];
$time = $before + 1 if defined $before && $before >= $time;
utime $time, $time, $new, map { "fresh/.new/$_" } keys %fresh;
($fsync ? syscall($fsync, fileno $file) : system('sync', $new)) == 0 or failed('writing to the disk');

# A lost connection looks like the end of the input; only the digest tells the difference.
my $found = readline $from_sum;
exit($needs_old ? 78 : 77) unless defined $found && $found =~ /^\Q$sum\E /;

# --- in their places ---------------------------------------------------------------------------------------------
# First the lines go that nobody may use any more: at any moment, fresh only has lines of this users file or the next.
unlink map { "fresh/$_" } grep { !/^\./ && $_ ne 'e3' && !exists $fresh{$_} } names_in('fresh');
for (keys %fresh) {
    rename "fresh/.new/$_", "fresh/$_" or failed("fresh/$_");
}
# The bytes are on disk, so after a crash either the old or the new file is there, complete. The sweep finds out which,
# so there is no need to wait for the directory to be synced.
rename $new, 'users' or failed('users');
$is_made = 0;
# Nobody has to wait until the old file is given back to the disk, which happens when this program ends.
syswrite(STDOUT, "in force\n");
