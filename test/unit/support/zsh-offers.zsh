# What zsh's completion offers for a line that is typed, one word on each line.
# usage: zsh -f zsh-offers.zsh FOLDER LINE        FOLDER holds _dco, as a folder of $fpath does
#
# An interactive zsh at a pseudo-terminal, with its own completion system: Tab is pressed behind the line. `compadd`, by
# which every completion makes its offers, notes what matches and does its work.
zmodload zsh/zpty || exit 3
folder=$1 line=$2 offers=$1/offers
zpty -b shell "TERM=dumb PS1= zsh -f -i"
zpty -w shell "fpath=(${(q)folder} \$fpath); PS1=; unsetopt beep; autoload -Uz compinit; compinit -D -u"
zpty -w shell "dco() { print -r '[{\"name\":\"tun7\",\"index\":1},{\"name\":\"tun8\"}]'; }"
zpty -w shell "compadd() {
  local -a found
  [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]] || { builtin compadd -A found \"\$@\"; print -rl -- \$found >> ${(q)offers}; }
  builtin compadd \"\$@\"
}"
zpty -w shell "TRAPUSR1() { : > ${(q)offers}.ready; }; bindkey '^I' complete-word; comppostfuncs=(over); over() { : > ${(q)offers}.done; }; : > ${(q)offers}.ready"
wait_for() {
  repeat 600; do
    zpty -r -t shell drained 2>/dev/null
    [[ -e $1 ]] && return
    sleep 0.05
  done
  print -u2 "zsh: nothing in $1"
  exit 4
}
wait_for $offers.ready
zpty -w -n shell "$line"$'\t'
wait_for $offers.done
[[ ! -e $offers ]] || cat $offers
zpty -d shell
