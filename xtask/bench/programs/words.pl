# Perl: hashes, regular expressions, sorting, strings and numbers.
use strict;
use warnings;

my $seed = 42;

sub random {
    my ($below) = @_;
    $seed = ( $seed * 1103515245 + 12345 ) % 2147483648;
    return int( $seed / 256 ) % $below;
}

my @words = map { 'w' . random(40) * random(50) } 1 .. 60000;
my ( %count, %after );
my $last = '';
for my $word (@words) {
    $count{$word}++;
    push @{ $after{$last} }, $word if length $last;
    $last = $word;
}
my @common = ( sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count )[ 0 .. 9 ];
my $text = join ' ', @words;
my $found = () = $text =~ /w(\d)\1+ w\d+/g;
( my $changed = $text ) =~ s/w(\d+)0\b/<$1>/g;
my $sum = 0;
$sum += length($_) * scalar @{ $after{$_} || [] } for keys %count;
my $x = 0.5;
$x = 3.7 * $x * ( 1 - $x ) for 1 .. 200000;
printf "%s %d %d %d %.6f\n", "@common", $found, length $changed, $sum, $x;
